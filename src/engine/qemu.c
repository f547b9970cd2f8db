/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "engine/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * QEMU runs what usher-vmm does not run yet: firmware, Windows, displays. The user's own words
 * come first; what the description says is added behind them, and each device as vfio-pci. QEMU
 * opens the VFIO nodes by itself (before version 9.0 it takes no descriptors).
 */
static const char *qemu_path(void)
{
	const char *path = getenv("QEMU_SYSTEM");

	return path && path[0] ? path : "qemu-system-x86_64";
}

#define OVERHEAD MIB(256)

/* What the user's own words say, "-m 4G" or "-m size=4096,…": MiB unless there is a unit. */
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

	/* A --memory of ours comes behind them, and the last one counts. */
	for (char *const *a = s->engine_args; !s->has_memory && a && *a; a++)
		if (strcmp(*a, "-m") == 0 && a[1] && own_memory(a[1]))
			n = own_memory(a[1]);
	return n;
}

/* -cpu host and max have the host's width, others can be given one. */
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
	/* A bare QEMU with no machine words shows an empty screen: there has to be something to run. */
	if (!s->kernel && !(s->engine_args && s->engine_args[0])) {
		err_say(e, -EINVAL, "nothing to run: no --kernel and no QEMU arguments after '--'");
		return -EINVAL;
	}
	return 0;
}

static int add_guest(const struct guest_spec *s, struct program *p)
{
	int r = program_word(p, qemu_path());

	for (char *const *a = s->engine_args; r == 0 && a && *a; a++)
		r = program_word(p, *a);
	if (r == 0)
		r = program_arg(p, "-name");
	if (r == 0)
		r = program_arg(p, "%s", s->name);
	if (r == 0 && s->no_reboot)
		r = program_arg(p, "-no-reboot");
	if (r < 0 || !s->kernel)
		return r;
	r = program_arg(p, "-kernel");
	if (r == 0)
		r = program_word(p, s->kernel);
	if (r == 0 && s->initrd && (r = program_arg(p, "-initrd")) == 0)
		r = program_word(p, s->initrd);
	if (r == 0 && s->cmdline && (r = program_arg(p, "-append")) == 0)
		r = program_word(p, s->cmdline);
	return r;
}

/* Memory and processors are the description's unless the user's own words say them. */
static int add_size(const struct guest_spec *s, struct program *p)
{
	int r = 0;

	if (s->has_memory && (r = program_arg(p, "-m")) == 0)
		r = program_arg(p, "%lluM", (unsigned long long)(s->memory / MIB(1)));
	if (r == 0 && s->has_cpus && (r = program_arg(p, "-smp")) == 0)
		r = program_arg(p, "%u", s->cpus);
	return r;
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

static int qemu_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;

	(void)env;
	(void)groups;
	int r = add_guest(s, p);
	if (r == 0)
		r = add_size(s, p);
	if (r == 0)
		r = add_devices(s, p);
	if (r < 0)
		return err_set(e, r, "QEMU's arguments");
	/* RAM is pinned whole; video memory and ROMs come on top. */
	p->memlock = qemu_memory(s) + OVERHEAD;
	/* QEMU does not know of a keeper: the kernel has to tell it. */
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
