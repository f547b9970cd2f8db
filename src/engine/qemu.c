/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "engine/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * QEMU runs guests that usher-vmm cannot run yet: firmware, Windows, displays. Its command line
 * starts with the user's own arguments; usher appends the description's, and each device as
 * vfio-pci. QEMU opens the VFIO nodes itself: before version 9.0 it takes no descriptors.
 */
static const char *qemu_path(void)
{
	const char *path = getenv("QEMU_SYSTEM");

	return path && path[0] ? path : "qemu-system-x86_64";
}

#define OVERHEAD MIB(256)

/* The size in a user's "-m 4G" or "-m size=4096,…", which is in MiB without a unit. */
static uint64_t own_memory(const char *text)
{
	char size[32];
	uint64_t n;

	if (strncmp(text, "size=", 5) == 0)
		text += 5;
	size_t len = strcspn(text, ",");
	if (len >= sizeof(size))
		return 0;
	(void)snprintf(size, sizeof(size), "%.*s", (int)len, text);
	if (num_parse(size, 10, UINT64_MAX >> 20, &n) == 0)
		return MIB(n);
	return num_parse_size(size, &n) == 0 ? n : 0;
}

static uint64_t qemu_memory(const struct guest_spec *s)
{
	uint64_t n = s->memory;

	/* QEMU uses the last -m, and usher appends --memory. */
	for (char *const *a = s->engine_args; !s->has_memory && a && *a; a++)
		if (strcmp(*a, "-m") == 0 && a[1] && own_memory(a[1]))
			n = own_memory(a[1]);
	return n;
}

/* The processors `host` and `max` have the host's width; phys-bits sets that of others. */
static bool qemu_wide(const struct guest_spec *s)
{
	for (char *const *a = s->engine_args; a && *a; a++)
		if (strcmp(*a, "-cpu") == 0 && a[1] &&
			(strncmp(a[1], "host", 4) == 0 || strncmp(a[1], "max", 3) == 0 ||
				strstr(a[1], "phys-bits")))
			return true;
	return false;
}

static int qemu_check(const struct guest_spec *s, struct err *e)
{
	for (char *const *a = s->engine_args; a && *a; a++) {
		if (strcmp(*a, "-daemonize") == 0) {
			err_say(e, -EINVAL, "-daemonize would hide QEMU from its keeper");
			err_hint(e, "leave it out and put 'usher run' into the background");
			return -EINVAL;
		}
	}
	bool traced = false;
	for (size_t i = 0; i < s->device_count; i++)
		traced |= s->devices[i].trace != 0;
	if (s->timing || s->stats || s->stats_file || s->hugepages || s->peers || traced)
		return err_say(e, -EINVAL,
			"--timing, --stats, --hugepages, --peers and --trace-bar are for "
			"usher-vmm, not for QEMU");
	/* QEMU without arguments shows an empty screen. */
	if (!s->kernel && !(s->engine_args && s->engine_args[0])) {
		err_say(e, -EINVAL, "nothing to run: no --kernel and no QEMU arguments after '--'");
		return -EINVAL;
	}
	return 0;
}

static int add_option(struct program *p, const char *option, const char *value)
{
	int r = program_word(p, option);

	return r < 0 ? r : program_word(p, value);
}

static int add_kernel(const struct guest_spec *s, struct program *p)
{
	int r = add_option(p, "-kernel", s->kernel);
	if (r < 0)
		return r;
	if (s->initrd) {
		r = add_option(p, "-initrd", s->initrd);
		if (r < 0)
			return r;
	}
	return s->cmdline ? add_option(p, "-append", s->cmdline) : 0;
}

static int add_guest(const struct guest_spec *s, struct program *p)
{
	int r = program_word(p, qemu_path());

	for (char *const *a = s->engine_args; r == 0 && a && *a; a++)
		r = program_word(p, *a);
	if (r < 0)
		return r;
	r = add_option(p, "-name", s->name);
	if (r < 0)
		return r;
	if (s->no_reboot) {
		r = program_word(p, "-no-reboot");
		if (r < 0)
			return r;
	}
	return s->kernel ? add_kernel(s, p) : 0;
}

/* Only what the user gave to usher: QEMU's own arguments may set memory and processors, too. */
static int add_size(const struct guest_spec *s, struct program *p)
{
	char memory[32], cpus[16];

	if (s->has_memory) {
		(void)snprintf(memory, sizeof(memory), "%" PRIu64 "M", s->memory / MIB(1));
		int r = add_option(p, "-m", memory);
		if (r < 0)
			return r;
	}
	if (!s->has_cpus)
		return 0;
	(void)snprintf(cpus, sizeof(cpus), "%u", s->cpus);
	return add_option(p, "-smp", cpus);
}

static int add_devices(const struct guest_spec *s, struct program *p)
{
	char text[PCI_ADDRESS_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->device_count; i++) {
		const struct guest_device *d = &s->devices[i];
		r = program_arg(p, "-device");
		if (r == 0)
			r = program_arg(p, "vfio-pci,host=%s,id=usher%zu%s%s",
				pci_address_format(d->address, text), i,
				d->rom_off  ? ",rombar=0"
				: d->rom[0] ? ",romfile="
					    : "",
				d->rom);
	}
	return r;
}

static int add_arguments(const struct guest_spec *s, struct program *p)
{
	int r = add_guest(s, p);
	if (r < 0)
		return r;
	r = add_size(s, p);
	if (r < 0)
		return r;
	return add_devices(s, p);
}

static int qemu_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;

	(void)env;
	(void)groups;
	int r = add_arguments(s, p);
	if (r < 0)
		return err_set(e, r, "QEMU's arguments");
	/* The kernel pins all RAM; video memory and ROMs come on top. */
	p->memlock = qemu_memory(s) + OVERHEAD;
	/* QEMU does not watch the keeper, so the kernel stops it when the keeper ends. */
	p->die_signal = SIGTERM;
	return 0;
}

const struct engine engine_qemu = {
	.name = "qemu",
	.overhead = OVERHEAD,
	.memory = qemu_memory,
	.wide = qemu_wide,
	.check = qemu_check,
	.prepare = qemu_prepare,
};
