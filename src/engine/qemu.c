/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/command.h"
#include "engine/engine.h"
#include "engine/environment.h"
#include "engine/files.h"
#include "engine/net.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void add_option(struct program *p, const char *option, const char *value)
{
	if (!value)
		return;
	program_word(p, option);
	program_word(p, value);
}

static void add_guest(const struct guest_spec *s, struct program *p)
{
	program_word(p, qemu_path());
	for (char *const *a = s->engine_args; a && *a; a++)
		program_word(p, *a);
	add_option(p, "-name", s->name);
	if (s->no_reboot)
		program_word(p, "-no-reboot");
	if (!s->kernel)
		return;
	add_option(p, "-kernel", s->kernel);
	add_option(p, "-initrd", s->initrd);
	add_option(p, "-append", s->cmdline);
}

/* Only what the user gave to usher: QEMU's own arguments may set memory and processors, too. */
static void add_size(const struct guest_spec *s, struct program *p)
{
	if (s->has_memory) {
		program_word(p, "-m");
		program_arg(p, "%" PRIu64 "M", s->memory / MIB(1));
	}
	if (s->has_cpus) {
		program_word(p, "-smp");
		program_arg(p, "%u", s->cpus);
	}
}

static void add_device(const struct guest_device *d, size_t i, struct program *p)
{
	const char *rom = d->rom_off ? ",rombar=0" : d->rom[0] ? ",romfile=" : "";
	char text[PCI_ADDRESS_TEXT];

	program_word(p, "-device");
	program_arg(p, "vfio-pci,host=%s,id=usher%zu%s%s", pci_address_format(d->address, text), i,
		rom, d->rom);
}

/* QEMU finds out itself whether it is a file or a block device, and locks it. */
static void add_disk(const struct guest_disk *d, size_t i, struct program *p)
{
	char queues[32] = "";

	program_word(p, "-drive");
	program_arg(p,
		"if=none,id=usher-disk%zu,format=raw,discard=unmap,readonly=%s,cache.direct=%s,"
		"file=%s",
		i, d->readonly ? "on" : "off", d->direct == DISK_DIRECT_ON ? "on" : "off", d->path);
	program_word(p, "-device");
	/* By itself QEMU makes a queue for each processor. */
	if (d->queues > 1)
		(void)snprintf(queues, sizeof(queues), ",num-queues=%u", d->queues);
	program_arg(p, "virtio-blk-pci,id=usher-virtio%zu,drive=usher-disk%zu%s%s%s", i, i, queues,
		d->serial[0] ? ",serial=" : "", d->serial);
}

/* @passt: QEMU inherits this end of the socket. */
static void add_net(const struct guest_net *n, size_t i, int passt, struct program *p)
{
	char mac[NET_MAC_TEXT], mtu[sizeof(",host_mtu=65535")] = "",
				queues[sizeof(",queues=4294967295")] = "";

	if (n->queues > 1)
		(void)snprintf(queues, sizeof(queues), ",queues=%u", n->queues);
	program_word(p, "-netdev");
	if (n->tap[0])
		program_arg(p, "tap,id=usher-net%zu,ifname=%s,script=no,downscript=no,vhost=%s%s",
			i, n->tap, net_wants_vhost(n) ? "on" : "off", queues);
	else
		program_arg(
			p, "stream,id=usher-net%zu,server=off,addr.type=fd,addr.str=%d", i, passt);
	if (n->mtu)
		(void)snprintf(mtu, sizeof(mtu), ",host_mtu=%u", n->mtu);
	program_word(p, "-device");
	program_arg(p, "virtio-net-pci,id=usher-virtio%zu,netdev=usher-net%zu,mac=%s%s%s%s", i, i,
		net_mac_text(n->mac, mac), mtu, n->queues > 1 ? ",mq=on" : "",
		n->no_offload ? ",csum=off,guest_csum=off,gso=off,host_tso4=off,host_tso6=off,"
				"guest_tso4=off,guest_tso6=off,host_ufo=off,guest_ufo=off,"
				"host_ecn=off,guest_ecn=off"
			      : "");
}

static void add_virtio(const struct guest_virtio *v, size_t i, int passt, struct program *p)
{
	switch (v->type) {
	case GUEST_VIRTIO_BLK:
		add_disk(&v->disk, i, p);
		break;
	case GUEST_VIRTIO_NET:
		add_net(&v->net, i, passt, p);
		break;
	case GUEST_VIRTIO_RNG:
		program_word(p, "-device");
		program_arg(p, "virtio-rng-pci,id=usher-virtio%zu", i);
		break;
	}
}

/* The host's end of a port, or of the console, with the id usher-port@i. */
static void add_end(
	const struct guest_spec *s, const struct guest_port *d, size_t i, struct program *p)
{
	char path[PORT_PATH_MAX];

	(void)port_path(d, BIND_STATE_DIR, s->name, path, sizeof(path));
	program_word(p, "-chardev");
	if (d->kind == GUEST_PORT_SOCKET)
		program_arg(p, "socket,id=usher-port%zu,server=on,wait=off,path=%s", i, path);
	else if (d->kind == GUEST_PORT_FILE)
		program_arg(p, "file,id=usher-port%zu,path=%s", i, path);
	else if (d->kind == GUEST_PORT_PTY)
		program_arg(p, "pty,id=usher-port%zu", i);
	else
		program_arg(p, "stdio,id=usher-port%zu,signal=off", i);
}

static void add_ports(const struct guest_spec *s, struct program *p)
{
	const struct guest_port console = {.kind = GUEST_PORT_STDIO};

	if (s->has_console && s->console == GUEST_CONSOLE_SERIAL) {
		add_end(s, &console, SPEC_PORTS_MAX, p);
		add_option(p, "-serial", "chardev:usher-port16");
	}
	if (s->port_count || s->console == GUEST_CONSOLE_VIRTIO)
		add_option(p, "-device", "virtio-serial-pci,id=usher-ports,max_ports=31");
	if (s->console == GUEST_CONSOLE_VIRTIO) {
		add_end(s, &console, SPEC_PORTS_MAX, p);
		add_option(p, "-device", "virtconsole,bus=usher-ports.0,chardev=usher-port16");
	}
	for (size_t i = 0; i < s->port_count; i++) {
		add_end(s, &s->ports[i], i, p);
		program_word(p, "-device");
		program_arg(p,
			"virtserialport,bus=usher-ports.0,nr=%zu,chardev=usher-port%zu,name=%s",
			i + 1, i, s->ports[i].name);
	}
}

static void add_words(const struct guest_spec *s, int passt, struct program *p)
{
	/* For its window and its sound. */
	static const char *const kept[] = {"HOME", "USER", "LOGNAME", "DISPLAY", "XAUTHORITY",
		"WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"};

	for (size_t i = 0; i < COUNT(kept); i++)
		program_keep(p, kept[i]);
	environment_add(s, p);
	add_guest(s, p);
	add_size(s, p);
	for (size_t i = 0; i < s->device_count; i++)
		add_device(&s->devices[i], i, p);
	for (size_t i = 0; i < s->virtio_count; i++)
		add_virtio(&s->virtio[i], i, passt, p);
	add_ports(s, p);
}

static int check_program(const struct guest_spec *s, struct err *e)
{
	const struct command c = command_seek(qemu_path(), NULL);

	if (c.code < 0)
		return command_report(&c, qemu_path(), geteuid(), e);
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "describe the guest to QEMU");
	add_words(s, STDIN_FILENO, p); /* of that length */
	return program_check(p, e);
}

/* What usher-vmm and its keeper do for a port, and QEMU does not. */
static int check_ports(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->port_count; i++) {
		const struct guest_port *p = &s->ports[i];
		if (p->kind == GUEST_PORT_NONE) {
			err_say(e, -EINVAL,
				"--port: '%s' has no end, and 'usher console' does not show ports "
				"of QEMU",
				p->name);
			err_hint(e, "give it one: --port %s,socket", p->name);
			return -EINVAL;
		}
		if (p->limit)
			return err_say(e, -EINVAL,
				"--port: '%s': limit= is for usher-vmm: QEMU writes without one",
				p->name);
		if (p->kind == GUEST_PORT_PTY && p->path[0])
			return err_say(e, -EINVAL,
				"--port: '%s': pty=PATH is for usher-vmm: QEMU prints the name of "
				"the terminal",
				p->name);
	}
	return 0;
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
	bool traced = false, polled = false;
	for (size_t i = 0; i < s->device_count; i++)
		traced |= s->devices[i].trace != 0;
	for (size_t i = 0; i < s->virtio_count; i++)
		polled |= s->virtio[i].disk.poll;
	if (spec_is_handed(s))
		return err_say(e, -EINVAL, "--device: fd=: QEMU opens its devices itself");
	if (s->timing || s->stats || s->stats_file || s->hugepages || s->peers || s->no_sandbox ||
		traced)
		return err_say(e, -EINVAL,
			"--timing, --stats, --hugepages, --peers, --no-sandbox and --trace-bar "
			"are for usher-vmm, not for QEMU");
	if (polled)
		return err_say(e, -EINVAL, "--disk: poll=on is for usher-vmm, not for QEMU");
	if (s->kernel_from) {
		err_say(e, -EINVAL, "--kernel-from is for usher-vmm");
		err_hint(e, "QEMU boots the disk by its firmware: give --disk alone");
		return -EINVAL;
	}
	/* QEMU without arguments shows an empty screen. */
	if (!s->kernel && !(s->engine_args && s->engine_args[0])) {
		err_say(e, -EINVAL, "nothing to run: no --kernel and no QEMU arguments after '--'");
		return -EINVAL;
	}
	int r = check_ports(s, e);
	if (r < 0)
		return r;
	r = files_check_disks(s, e);
	if (r < 0)
		return r;
	r = limit_check(s, qemu_memory(s), e);
	if (r == 0)
		r = net_check(s, e);
	return r < 0 ? r : check_program(s, e);
}

/* Return: QEMU's end of the socket; -ENODEV the guest has no user-mode network; -errno. */
static int net_start(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct err *e)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_NET || s->virtio[i].net.tap[0])
			continue;
		int fd = passt_start(&run->passt, &s->virtio[i].net, env->state, e);
		if (fd < 0)
			return fd;
		int r = passt_await(&run->passt, e);
		if (r < 0) {
			fd_close(&fd);
			return r;
		}
		run->given[run->given_count++] = fd;
		program_fd(&run->program, fd);
		return fd;
	}
	return -ENODEV;
}

/* Its working folder stays ours: QEMU's words are paths. */
static int qemu_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;

	(void)groups;
	int passt = net_start(env, s, run, e);
	if (passt < 0 && passt != -ENODEV)
		return passt;
	add_words(s, passt, p);
	/* The kernel pins all RAM; video memory and ROMs come on top. */
	p->memlock = qemu_memory(s) + OVERHEAD;
	/* QEMU does not watch the keeper, so the kernel stops it when the keeper ends. */
	p->die_signal = SIGTERM;
	return 0;
}

const struct engine engine_qemu = {
	.name = "qemu",
	.overhead = OVERHEAD,
	.stops_with_zero = true,
	.memory = qemu_memory,
	.wide = qemu_wide,
	.check = qemu_check,
	.prepare = qemu_prepare,
};
