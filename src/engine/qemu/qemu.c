/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/firmware.h"
#include "engine/net.h"
#include "engine/qemu/backend.h"
#include "engine/qemu/board.h"
#include "engine/qemu/parts.h"
#include "engine/qemu/words.h"
#include "engine/share.h"
#include "engine/tpm.h"
#include "engine/usb.h"
#include "engine/vsock.h"
#include "program/command.h"
#include "program/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * How it works
 *
 * QEMU runs guests that usher-vmm cannot run: firmware, Windows, displays. The description becomes
 * its command line (words.c), and its files, disks and networks descriptors (parts.c), because QEMU
 * has no right to open them.
 *
 * Started by root, QEMU is a user of its own in namespaces of its own, as a program of usher exec
 * is (engine/confine). Where the host has iommufd, and QEMU is 9.0 or later, it gets the devices by
 * descriptors (backend.c). Elsewhere it opens the VFIO groups by their paths, and gets nodes of its
 * own for these and for KVM, and finds no others (engine/mounts). Nothing of the host's nodes
 * changes.
 *
 * The first process of its PID namespace is the one that the keeper starts; it passes on signals
 * and QEMU's status, and ends with the keeper.
 */
#define OVERHEAD MIB(256)

static const struct ability_note abilities[ABILITY_COUNT] = {
	ABILITIES_OF_QEMU,
	[ABILITY_KERNEL_FROM] = {ABILITY_YES, NULL},
	[ABILITY_FIRMWARE] = {ABILITY_YES, NULL},
	[ABILITY_DISPLAY] = {ABILITY_YES, NULL},
	[ABILITY_TPM] = {ABILITY_YES, NULL},
	[ABILITY_USB] = {ABILITY_YES, NULL},
	[ABILITY_FORMAT] = {ABILITY_YES, NULL},
	[ABILITY_SHARE] = {ABILITY_YES, NULL},
	[ABILITY_BALLOON] = {ABILITY_YES, NULL},
	[ABILITY_VSOCK] = {ABILITY_YES, NULL},
	[ABILITY_PORT_VIEW] = {ABILITY_NO, "'usher console' shows no ports of QEMU"},
	[ABILITY_PORT_LINK] = {ABILITY_NO, "QEMU prints the name of the terminal"},
	[ABILITY_ENV] = {ABILITY_YES, NULL},
	[ABILITY_WORDS] = {ABILITY_YES, NULL},
	[ABILITY_CONTROL] = {ABILITY_PARTLY, "no statistics"},
	[ABILITY_CONSOLE] = {ABILITY_YES, NULL},
};

static int check_program(const struct guest_spec *s, struct err *e)
{
	const struct command c = command_seek(qemu_program(), NULL);
	struct qemu_parts parts;

	if (c.code < 0)
		return command_report(&c, qemu_program(), geteuid(), e);
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "describe the guest to QEMU");
	qemu_parts_init(&parts);
	parts.sandbox = true;
	qemu_words_add(s, &parts, p);
	return program_check(p, e);
}

/* QEMU boots a bzImage itself, so no kernel is unpacked. */
static int open_files(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	struct guest_spec rest = *s;

	rest.kernel = NULL;
	int r = files_open(&rest, f, e);
	if (r == -EINVAL && s->kernel_from && strncmp(e->msg, "--kernel-from", 13) == 0)
		err_hint(e, "boot the disk by its own loader: --firmware uefi, or bios");
	if (r < 0 || !s->kernel)
		return r;
	f->kernel.fd = spec_open_file("--kernel", s->kernel, e);
	return f->kernel.fd < 0 ? f->kernel.fd : 0;
}

static int check_files(const struct guest_spec *s, struct err *e)
{
	struct guest_files own = FILES_NONE, *f = s->files ? s->files : &own;

	int r = open_files(s, f, e);
	if (r == 0)
		r = tpm_check_kernel(s, f->kernel.fd, e);
	files_close(&own);
	return r;
}

static int check_words(const struct guest_spec *s, struct err *e)
{
	if (qemu_own_word(s, "-daemonize")) {
		err_say(e, -EINVAL, "-daemonize would hide QEMU from its keeper");
		err_hint(e, "leave it out and put 'usher run' into the background");
		return -EINVAL;
	}
	if (s->firmware && s->kernel_from) {
		err_say(e, -EINVAL, "--firmware boots the disk itself: not with --kernel-from");
		err_hint(e, "leave one of them out");
		return -EINVAL;
	}
	/* QEMU without arguments shows an empty screen. */
	if (!s->kernel && !s->kernel_from && !s->device_count && !spec_has_disk(s) &&
		!s->firmware && !(s->engine_args && s->engine_args[0]))
		return err_say(e, -EINVAL,
			"nothing to run: no --kernel, --disk, --device or --firmware, and no "
			"words for QEMU after '--'");
	if (!qemu_board_is_ours(s) || access("/dev/kvm", R_OK | W_OK) == 0)
		return 0;
	(void)err_set(e, -errno, "open /dev/kvm");
	if (e->code == -EACCES)
		err_hint(e, "be root or a member of the group 'kvm', or choose a machine without "
			    "KVM: -- -M q35");
	else
		err_hint(
			e, "load kvm-amd or kvm-intel, or choose a machine without KVM: -- -M q35");
	return e->code;
}

/* What the host has to have for it. A plan fails as the run would. */
static int check_extras(const struct guest_spec *s, struct err *e)
{
	int r = firmware_check(s->firmware, e);
	if (r < 0)
		return r;
	r = vsock_check(s, e);
	if (r < 0)
		return r;
	r = share_check(s, e);
	if (r < 0)
		return r;
	r = s->tpm ? tpm_check(e) : 0;
	return r < 0 ? r : usb_check(s, e);
}

static int qemu_check(const struct guest_spec *s, struct err *e)
{
	int r = check_words(s, e);
	if (r < 0)
		return r;
	r = check_extras(s, e);
	if (r < 0)
		return r;
	r = check_files(s, e);
	if (r < 0)
		return r;
	r = limit_check(s, qemu_board_memory(s), e);
	if (r < 0)
		return r;
	r = net_check(s, e);
	return r < 0 ? r : check_program(s, e);
}

/* What it opens by a path. A host without one of them has it not in the guest's way. */
static int add_nodes(
	const struct bind_plan *groups, const struct qemu_parts *parts, struct mounts_nodes *n)
{
	char path[MOUNTS_PATH_MAX];
	int r = 0;

	(void)mounts_node_add(n, "/dev/kvm");
	if (parts->iommu >= 0)
		return 0;
	if (groups->group_count)
		r = mounts_node_add(n, "/dev/vfio/vfio");
	for (size_t i = 0; r == 0 && i < groups->group_count; i++) {
		(void)snprintf(path, sizeof(path), "/dev/vfio/%d", groups->groups[i].number);
		r = mounts_node_add(n, path);
	}
	return r;
}

/* Nobody writes to this pipe. Our end of it closes when this process ends, whatever the reason. */
static int add_lifeline(struct engine_run *run)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	run->confine.alive_fd = fds[0];
	run->lifeline_fd = fds[1];
	return 0;
}

static int add_walls(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, const struct qemu_parts *parts, struct engine_run *run,
	struct err *e)
{
	struct program *p = &run->program;

	int r = uid_reserve(env->state, &run->uid, e);
	if (r < 0)
		return r;
	r = add_nodes(groups, parts, &run->confine.nodes);
	if (r == 0)
		r = add_lifeline(run);
	if (r < 0)
		return err_set(e, r, "prepare QEMU's user");
	run->confine.uid = run->uid.uid;
	run->confine.gid = run->uid.uid;
	run->confine.read_only = true;
	run->confine.no_network = !qemu_board_has_network(s);
	p->confine = &run->confine;
	return 0;
}

/* Its working folder stays ours: QEMU's words are paths. */
static int qemu_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;
	struct qemu_parts parts;

	qemu_parts_init(&parts);
	parts.sandbox = !s->no_sandbox;
	/* Another user could not change to it, and is confined as the user that it is. */
	int r = qemu_parts_devices(env, s, run, &parts, e);
	if (r < 0)
		return r;
	r = geteuid() == 0 && !s->no_sandbox ? add_walls(env, s, groups, &parts, run, e) : 0;
	if (r < 0)
		return r;
	r = qemu_parts_open(env, s, run, &parts, e);
	if (r < 0)
		return r;
	qemu_words_add(s, &parts, p);
	if (p->confine) {
		program_env(p, "HOME=/");
		program_env(p, "TMPDIR=" MOUNTS_SCRATCH);
	}
	/* The kernel pins all RAM; video memory and ROMs come on top. */
	p->memlock = qemu_board_memory(s) + OVERHEAD;
	/* QEMU does not watch the keeper, so the kernel stops it when the keeper ends. */
	p->die_signal = SIGTERM;
	return 0;
}

const struct engine engine_qemu = {
	.name = "qemu",
	.overhead = OVERHEAD,
	.stops_with_zero = true,
	.abilities = abilities,
	.memory = qemu_board_memory,
	.bare = qemu_board_is_callers,
	.wide = qemu_board_is_wide,
	.by_groups = qemu_backend_lacks,
	.check = qemu_check,
	.prepare = qemu_prepare,
};
