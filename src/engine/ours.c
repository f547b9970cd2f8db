/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/defaults.h"
#include "engine/description.h"
#include "engine/devices.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/net.h"
#include "engine/refused.h"
#include "engine/storage.h"
#include "engine/vsock.h"
#include "program/installed.h"
#include "wire/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * usher-vmm opens no path of the host. It gets messages (wire/machine.h) with all descriptors:
 * files, /dev/kvm, the I/O address space and devices. The VFIO groups stay with the keeper, which
 * does by request (engine/calls.h) what needs them.
 */
#define VMM_NAME "usher-vmm"
#define OVERHEAD MIB(16)

static const struct ability_note abilities[ABILITY_COUNT] = {
	[ABILITY_KERNEL_FROM] = {ABILITY_YES, NULL},
	[ABILITY_FIRMWARE] = {ABILITY_NO, VMM_NAME " boots kernels"},
	[ABILITY_DISPLAY] = {ABILITY_NO, VMM_NAME " has no screen but that of a lent card"},
	[ABILITY_TPM] = {ABILITY_NO, VMM_NAME " has none"},
	[ABILITY_USB] = {ABILITY_NO, VMM_NAME " has no USB but that of a lent controller"},
	[ABILITY_POLL] = {ABILITY_YES, NULL},
	[ABILITY_FORMAT] = {ABILITY_YES, NULL},
	[ABILITY_SHARE] = {ABILITY_YES, NULL},
	[ABILITY_NET_BACKEND] = {ABILITY_YES, NULL},
	[ABILITY_RINGS] = {ABILITY_YES, NULL},
	[ABILITY_BALLOON] = {ABILITY_YES, NULL},
	[ABILITY_VSOCK] = {ABILITY_YES, NULL},
	[ABILITY_VSOCK_SOCKET] = {ABILITY_YES, NULL},
	[ABILITY_PORT_VIEW] = {ABILITY_YES, NULL},
	[ABILITY_PORT_LIMIT] = {ABILITY_YES, NULL},
	[ABILITY_PORT_LINK] = {ABILITY_YES, NULL},
	[ABILITY_HUGEPAGES] = {ABILITY_YES, NULL},
	[ABILITY_PEERS] = {ABILITY_YES, NULL},
	[ABILITY_HANDED] = {ABILITY_YES, NULL},
	[ABILITY_STATS] = {ABILITY_YES, NULL},
	[ABILITY_TIMING] = {ABILITY_YES, NULL},
	[ABILITY_TRACE] = {ABILITY_YES, NULL},
	[ABILITY_ENV] = {ABILITY_NO, VMM_NAME " reads no variables"},
	[ABILITY_WORDS] = {ABILITY_NO, VMM_NAME " takes none"},
	[ABILITY_CONTROL] = {ABILITY_YES, NULL},
	[ABILITY_CONSOLE] = {ABILITY_YES, NULL},
};

static int vmm_path(char *buf, size_t size, struct err *e)
{
	return installed_find(VMM_NAME, "vmm", "USHER_VMM", buf, size, e);
}

static int open_kvm(struct err *e)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	int r = -errno;
	err_set(e, r, "open /dev/kvm");
	if (r == -ENOENT || r == -ENODEV)
		err_hint(e, "load kvm-amd or kvm-intel; if that fails, turn on SVM or VT-x in the "
			    "firmware's setup");
	else if (r == -EACCES)
		err_hint(e, "be root or a member of the group 'kvm'");
	return r;
}

static int check_files(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	char cmdline[SPEC_CMDLINE_MAX + 1];

	int r = files_open(s, f, e);
	return r < 0 ? r : defaults_cmdline(s, f, cmdline, sizeof(cmdline), e);
}

static int check_boot(const struct guest_spec *s, struct err *e)
{
	struct guest_files own = FILES_NONE;

	if (s->files)
		return check_files(s, s->files, e);
	int r = check_files(s, &own, e);
	files_close(&own);
	return r;
}

/* KVM's own limits: of processors, and of their APIC ids, which usher numbers from 0. */
static int check_cpus(int kvm_fd, unsigned cpus, struct err *e)
{
	int most = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int ids = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	if (ids > 0 && ids < most)
		most = ids;
	if (most <= 0 || cpus <= (unsigned)most)
		return 0;
	err_say(e, -EINVAL, "--cpus: %u: KVM of this host gives a guest at most %d processors",
		cpus, most);
	err_hint(e, "give the guest fewer: --cpus %d", most);
	return -EINVAL;
}

static int ours_check(const struct guest_spec *s, struct err *e)
{
	char path[FILE_PATH_MAX];

	if (!s->kernel && !s->kernel_from) {
		err_say(e, -EINVAL, "no --kernel: " VMM_NAME " boots kernels, not firmware");
		err_hint(e, "give --kernel and --initrd, --kernel-from an image that has them, or "
			    "--engine=qemu with QEMU's own arguments");
		return -EINVAL;
	}
	int r = limit_check(s, s->memory, e);
	if (r < 0)
		return r;
	r = check_boot(s, e);
	if (r < 0)
		return r;
	r = net_check(s, e);
	if (r < 0)
		return r;
	r = vsock_check(s, e);
	if (r < 0)
		return r;
	r = share_check(s, e);
	if (r < 0)
		return r;
	r = storage_check(s, e);
	if (r < 0)
		return r;
	r = vmm_path(path, sizeof(path), e);
	if (r < 0)
		return r;
	cleanup_fd int kvm = open_kvm(e);
	return kvm < 0 ? kvm : check_cpus(kvm, s->cpus, e);
}

static int open_line(struct engine_run *run, struct err *e)
{
	int line[2], calls[2], orders[2];

	int r = wire_pair(line);
	if (r < 0)
		return err_set(e, r, "make a socket for " VMM_NAME);
	run->line_fd = line[0];
	run->keeper_fd = line[1];
	r = wire_pair(calls);
	if (r < 0)
		return err_set(e, r, "make a socket for " VMM_NAME);
	run->calls.fd = calls[0];
	run->calls_fd = calls[1];
	run->calls.backends = &run->backends;
	r = wire_pair(orders);
	if (r < 0)
		return err_set(e, r, "make a socket for " VMM_NAME);
	run->orders_fd = orders[0];
	run->obeys_fd = orders[1];
	return 0;
}

static int open_parts(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct err *e)
{
	run->kvm_fd = open_kvm(e);
	if (run->kvm_fd < 0)
		return run->kvm_fd;
	if (s->files && s->files->kernel.fd >= 0) {
		run->kernel = s->files->kernel;
		s->files->kernel.fd = -1;
	} else {
		int r = kernel_open(s->kernel, &run->kernel, e);
		if (r < 0)
			return r;
	}
	int r = open_line(run, e);
	if (r < 0)
		return r;
	if (!s->no_sandbox)
		run->refused_fd = refused_page(); /* without it the guest runs as well */
	/* Another user could not change to it, and is confined as the user that it is. */
	return geteuid() == 0 ? uid_reserve(env->state, &run->uid, e) : 0;
}

/* The words of usher-vmm. It inherits its end of the line to the keeper. */
static int ours_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;
	char vmm[FILE_PATH_MAX];

	int r = vmm_path(vmm, sizeof(vmm), e);
	if (r < 0)
		return r;
	r = open_parts(env, s, run, e);
	if (r < 0)
		return r;
	/* The kernel pins all guest RAM for DMA; some pages of usher-vmm come on top. */
	p->memlock = s->memory + OVERHEAD;
	/* The kernel kills usher-vmm when the keeper ends, even if its main loop is stuck. */
	p->die_signal = SIGKILL;
	p->own_pids = !s->no_sandbox;
	program_dir(p, "/");
	/* Its console reads the terminal, in the foreground alone. */
	p->in_session = true;
	program_arg(p, "%s", vmm);
	program_word(p, "--keeper");
	program_arg(p, "%d", run->keeper_fd);
	program_fd(p, run->keeper_fd);
	return 0;
}

/* While the kernel resets the devices, usher-vmm prepares the rest of the guest. */
static int ours_furnish(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	int r = s->device_count ? devices_begin(env, s, groups, &run->devices, e) : 0;

	if (r < 0)
		return r;
	r = description_send(env, s, run, e);
	if (r == 0 && run->devices)
		r = devices_finish(env, s, groups, run->devices, e);
	return r < 0 ? r : description_send_devices(s, run, e);
}

static uint64_t ours_memory(const struct guest_spec *s)
{
	return s->memory;
}

const struct engine engine_ours = {
	.name = "usher",
	.overhead = OVERHEAD,
	.bounded = true,
	.lays_out = true,
	.ends_by_any = true,
	.abilities = abilities,
	.memory = ours_memory,
	.check = ours_check,
	.prepare = ours_prepare,
	.furnish = ours_furnish,
};
