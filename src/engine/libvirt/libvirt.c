/* SPDX-License-Identifier: MIT */
/*
 * libvirt runs a guest as a transient domain, with the devices that the keeper has taken. The
 * program that the keeper starts is usher-libvirt (libvirt/runner.c), and nothing else here knows
 * libvirt's library. The domain ends with it, and the devices come back as from any other engine.
 */
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/engine.h"
#include "engine/environment.h"
#include "engine/files.h"
#include "engine/firmware.h"
#include "engine/inherited.h"
#include "engine/libvirt/boot.h"
#include "engine/libvirt/xml.h"
#include "engine/net.h"
#include "engine/share.h"
#include "engine/tpm.h"
#include "engine/usb.h"
#include "engine/vsock.h"
#include "libvirt/uri.h"
#include "program/command.h"
#include "program/installed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OVERHEAD MIB(1024) /* libvirt lets QEMU lock so much besides the guest's memory */
#define URI "qemu:///system"
#define PROBE_MS 70000 /* usher-libvirt gives up before */

static const struct ability_note abilities[ABILITY_COUNT] = {
	ABILITIES_OF_QEMU,
	[ABILITY_KERNEL_FROM] = {ABILITY_YES, NULL},
	[ABILITY_FIRMWARE] = {ABILITY_YES, NULL},
	[ABILITY_DISPLAY] = {ABILITY_YES, NULL},
	[ABILITY_TPM] = {ABILITY_YES, NULL},
	[ABILITY_USB] = {ABILITY_YES, NULL},
	[ABILITY_FORMAT] = {ABILITY_NO, "usher gives it raw images"},
	[ABILITY_SHARE] = {ABILITY_PARTLY, "none that is read-only"},
	[ABILITY_BALLOON] = {ABILITY_PARTLY, "its size is libvirt's, by 'virsh setmem'"},
	[ABILITY_VSOCK] = {ABILITY_YES, NULL},
	[ABILITY_PORT_VIEW] = {ABILITY_NO, "'usher console' shows no ports of a domain"},
	[ABILITY_PORT_LINK] = {ABILITY_NO, "libvirt chooses the name of the terminal"},
	[ABILITY_ENV] = {ABILITY_NO, "libvirt starts QEMU"},
	[ABILITY_WORDS] = {ABILITY_NO, "libvirt writes QEMU's command line"},
	[ABILITY_CONTROL] = {ABILITY_PARTLY, "no statistics"},
	[ABILITY_CONSOLE] = {ABILITY_YES, NULL},
};

static const char *libvirt_uri(void)
{
	const char *uri = getenv("USHER_LIBVIRT_URI");

	return uri && uri[0] ? uri : URI;
}

static int runner_path(char *buf, size_t size, struct err *e)
{
	return installed_find("usher-libvirt", "libvirt", "USHER_LIBVIRT", buf, size, e);
}

/* What usher-libvirt prints, and the end of it. */
static void probe_read(struct process *p, int fd, char *text, size_t size)
{
	const int64_t end = clock_ms() + PROBE_MS;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0 && used + 1 < size) {
		int64_t left = end - clock_ms();
		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			break;
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
	if (n > 0)
		(void)kill(p->pid, SIGKILL);
}

/* A line without what a program puts before it. */
static char *line_take(char **rest)
{
	static const char *const fronts[] = {"usher: ", "hint: "};
	char *line = strsep(rest, "\n");

	for (size_t i = 0; line && i < COUNT(fronts); i++)
		if (strncmp(line, fronts[i], strlen(fronts[i])) == 0)
			return line + strlen(fronts[i]);
	return line;
}

static int probe_fail(char *text, struct err *e)
{
	const char *line = line_take(&text), *hint = line_take(&text);

	(void)err_say(e, -ENOTSUP, "%s", line && line[0] ? line : "libvirt does not answer");
	if (hint && hint[0])
		err_hint(e, "%s", hint);
	return -ENOTSUP;
}

/* A session's daemon has its files elsewhere, so that QEMU would not be found. */
static int check_uri(const char *uri, struct err *e)
{
	if (!libvirt_uri_is_alias(uri) && !libvirt_uri_is_local(uri))
		return err_say(e, -EINVAL,
			"USHER_LIBVIRT_URI: '%s' is of another host, whose devices are not here",
			uri);
	if (libvirt_uri_is_system(uri))
		return 0;
	err_say(e, -EINVAL, "USHER_LIBVIRT_URI: '%s' is not the system's daemon", uri);
	err_hint(e, "leave it out, or set it to " URI);
	return -EINVAL;
}

/* Whether libvirt is there, and has KVM: before a device is taken. */
static int check_libvirt(struct err *e)
{
	char path[FILE_PATH_MAX], text[1024];
	struct process process;
	int ends[2];

	int r = check_uri(libvirt_uri(), e);
	if (r < 0)
		return r;
	r = runner_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	if (!p || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, p ? -errno : -ENOMEM, "ask libvirt");
	program_word(p, path);
	program_word(p, libvirt_uri());
	program_word(p, "probe");
	environment_add(&(struct guest_spec){.env_count = 0}, p);
	p->stderr_fd = ends[1];
	p->die_signal = SIGKILL;
	r = process_start(p, &process, e);
	fd_close(&ends[1]);
	if (r == 0) {
		probe_read(&process, ends[0], text, sizeof(text));
		r = process_reap(&process) ? probe_fail(text, e) : 0;
	}
	fd_close(&ends[0]);
	return r;
}

/* Of a user network, which is QEMU's own here. */
static int check_net(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_net *n = &s->virtio[i].net;
		if (s->virtio[i].type == GUEST_VIRTIO_NET && net_is_user(n) &&
			(n->forward_count || n->host_loopback || n->queues > 1))
			return err_say(e, -EINVAL,
				"--net: forward=, host-loopback= and queues= of a user network are "
				"not for engine 'libvirt'");
	}
	return 0;
}

static int check_words(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i].kind == GUEST_PORT_STDIO)
			return err_say(e, -EINVAL,
				"--port: '%s': standard input and output are not for engine "
				"'libvirt'",
				s->ports[i].name);
	if (s->firmware && s->kernel_from)
		return err_say(
			e, -EINVAL, "--firmware boots the disk itself: not with --kernel-from");
	if (s->kernel || s->kernel_from || s->firmware || spec_has_disk(s) || s->device_count)
		return 0;
	return err_say(e, -EINVAL, "nothing to run: no --kernel, --disk or --device");
}

/* libvirt starts the same server, and has it write. */
static int check_shares(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		if (v->type != GUEST_VIRTIO_FS || !v->share.readonly)
			continue;
		(void)err_say(e, -EINVAL,
			"--share: '%s': 'ro' is not for engine 'libvirt': it has no read-only "
			"folders",
			v->share.path);
		err_hint(e, "run the guest with --engine=usher or --engine=qemu");
		return -EINVAL;
	}
	return share_check(s, e);
}

/* libvirt makes the state of a TPM by another program of swtpm's. */
static int check_tpm(const struct guest_spec *s, struct err *e)
{
	const struct command c = command_seek(TPM_SETUP, NULL);

	if (!s->tpm)
		return 0;
	int r = tpm_check(e);
	if (r == 0 && c.code < 0) {
		r = command_report(&c, TPM_SETUP, geteuid(), e);
		err_hint(e, "install swtpm-tools: libvirt makes the guest's TPM with it");
	}
	if (r < 0 || !s->kernel)
		return r;
	cleanup_fd int fd = spec_open_file("--kernel", s->kernel, e);
	return fd < 0 ? fd : tpm_check_kernel(s, fd, e);
}

/* What the host has for @s. @back: notes its USB devices' drivers; NULL: @s is only checked. */
static int find_parts(const struct guest_spec *s, const char *run_dir, struct usb_return *back,
	struct libvirt_parts *ret, struct err *e)
{
	*ret = (struct libvirt_parts){.run_dir = run_dir};
	int r = firmware_find(s->firmware, &ret->firmware, e);
	for (size_t i = 0; r == 0 && i < s->usb_count; i++)
		r = usb_find(&s->usb[i], &ret->usb[i], back, e);
	return r;
}

static int check_xml(const struct guest_spec *s, struct err *e)
{
	char uuid[LIBVIRT_UUID_TEXT], *xml = NULL;
	struct libvirt_parts parts;

	int r = find_parts(s, BIND_STATE_DIR, NULL, &parts, e);
	if (r < 0)
		return r;
	libvirt_end_name(s, uuid);
	parts.uuid = uuid;
	r = libvirt_xml_write(s, &parts, &xml, e);
	free(xml);
	return r;
}

static int libvirt_check(const struct guest_spec *s, struct err *e)
{
	int r = check_words(s, e);
	r = r < 0 ? r : check_net(s, e);
	r = r < 0 ? r : vsock_check(s, e);
	r = r < 0 ? r : check_shares(s, e);
	r = r < 0 ? r : check_tpm(s, e);
	r = r < 0 ? r : files_check_disks(s, e);
	r = r < 0 ? r : libvirt_boot_check(s, e);
	r = r < 0 ? r : check_xml(s, e);
	return r < 0 ? r : check_libvirt(e);
}

/* A file in memory, with a NUL at its end. Return: its descriptor, -errno. */
static int xml_file(const char *xml, size_t len, struct err *e)
{
	int fd = memfd_create("domain", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "describe the guest to libvirt");
	int r = fd_write_full(fd, xml, len + 1);
	if (r == 0)
		return fd;
	fd_close(&fd);
	return err_set(e, r, "describe the guest to libvirt");
}

/* The program inherits @fd, and we close it. Its number is a word. */
static void give_fd(struct engine_run *run, int fd)
{
	program_arg(&run->program, "%d", fd);
	program_fd(&run->program, fd);
}

/* Describes the domain. Return: a descriptor of the text, -errno. */
static int describe_domain(
	const struct guest_spec *s, const char *run_dir, struct engine_run *run, struct err *e)
{
	struct libvirt_parts parts;
	cleanup_free char *xml = NULL;

	int r = find_parts(s, run_dir, &run->usb, &parts, e);
	if (r < 0)
		return r;
	run->domain = s->name;
	libvirt_end_name(s, run->domain_uuid);
	parts.keeper = getpid();
	parts.uuid = run->domain_uuid;
	int len = libvirt_xml_write(s, &parts, &xml, e);
	return len < 0 ? len : xml_file(xml, (size_t)len, e);
}

static int libvirt_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	char path[FILE_PATH_MAX], places[SPEC_VIRTIO_MAX + 1];
	struct program *p = &run->program;
	int orders[2];

	(void)groups;
	int r = runner_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	r = libvirt_boot_place(s, env->state, e);
	if (r < 0)
		return r;
	int fd = describe_domain(s, env->state, run, e);
	if (fd < 0)
		return fd;
	(void)inherited_add(run, fd);
	r = wire_pair(orders);
	if (r < 0)
		return err_set(e, r, "make a socket for usher-libvirt");
	run->orders_fd = orders[0];
	run->obeys_fd = orders[1];
	environment_add(s, p);
	program_arg(p, "%s", path);
	program_word(p, libvirt_uri());
	program_word(p, "run");
	program_word(p, s->name);
	give_fd(run, fd);
	give_fd(run, run->obeys_fd);
	if (s->console == GUEST_CONSOLE_NONE)
		program_word(p, "none");
	else
		program_arg(p, "%s/vm/%s/" LIBVIRT_CONSOLE, env->state, s->name);
	libvirt_xml_places(s, places);
	program_arg(p, "%s", places);
	program_dir(p, "/");
	p->die_signal = SIGTERM;
	/* Its console reads the terminal, in the foreground alone. */
	p->in_session = true;
	return 0;
}

static uint64_t libvirt_memory(const struct guest_spec *s)
{
	return s->memory;
}

/* libvirt's host-passthrough has the host's width. */
static bool libvirt_wide(const struct guest_spec *s)
{
	(void)s;
	return true;
}

const struct engine engine_libvirt = {
	.name = "libvirt",
	.overhead = OVERHEAD,
	.stops_with_zero = true,
	.abilities = abilities,
	.memory = libvirt_memory,
	.wide = libvirt_wide,
	.check = libvirt_check,
	.prepare = libvirt_prepare,
};
