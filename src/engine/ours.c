/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/output.h"
#include "engine/defaults.h"
#include "engine/devices.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/inherited.h"
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * usher-vmm opens no path of the host. It gets one message (wire/machine.h) with all descriptors:
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

/* usher-vmm gets @fd; engine_finish() closes it here. Return: its index. */
static uint32_t give_fd(struct engine_run *run, struct wire_fds *fds, int fd)
{
	return (uint32_t)wire_add(fds, inherited_add(run, fd));
}

/* @open_fd: the file, where it is open already. */
static int give_file(struct engine_run *run, struct wire_fds *fds, int *open_fd, const char *path,
	uint32_t *ret, struct err *e)
{
	int fd = open_fd && *open_fd >= 0 ? TAKE_FD(*open_fd) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "open '%s'", path);
	*ret = give_fd(run, fds, fd);
	return 0;
}

static int give_output(struct engine_run *run, struct wire_fds *fds, int *open_fd, const char *path,
	uint32_t *ret, struct err *e)
{
	int fd = open_fd && *open_fd >= 0 ? TAKE_FD(*open_fd)
					  : output_open("statistics", path, 0644, e);

	if (fd < 0)
		return fd;
	*ret = give_fd(run, fds, fd);
	return 0;
}

/* A back end is another process, which maps the guest's memory. */
static uint32_t backing_of(const struct guest_spec *s)
{
	if (s->hugepages)
		return WIRE_BACKING_POOL;
	return spec_has_backend(s) ? WIRE_BACKING_SHARED : WIRE_BACKING_PRIVATE;
}

static uint32_t flags_of(const struct guest_spec *s)
{
	return (s->no_reboot ? WIRE_NO_REBOOT : 0U) | (s->timing ? WIRE_TIMING : 0U) |
	       (s->stats ? WIRE_STATS : 0U) | (s->peers ? WIRE_PEERS : 0U) |
	       (s->rings == GUEST_RINGS_PACKED ? WIRE_PACKED_RINGS : 0U) |
	       (s->no_sandbox ? WIRE_NO_SANDBOX : WIRE_OWN_PIDS);
}

static int describe_figures(const struct guest_spec *s, struct engine_run *run,
	struct wire_machine *m, struct wire_fds *fds, struct err *e)
{
	if (!s->stats && !s->stats_file)
		return 0;
	int r = give_file(run, fds, NULL, "/proc/interrupts", &m->interrupts, e);
	if (r < 0 || !s->stats_file)
		return r;
	return give_output(
		run, fds, s->files ? &s->files->stats : NULL, s->stats_file, &m->stats, e);
}

static int describe_guest(const struct guest_spec *s, struct engine_run *run,
	struct wire_machine *m, struct wire_fds *fds, struct err *e)
{
	(void)snprintf(m->name, sizeof(m->name), "%s", s->name);
	m->memory = s->memory;
	m->backing = backing_of(s);
	m->cpus = s->cpus;
	m->console = s->console;
	m->flags = flags_of(s);
	m->uid = run->uid.uid;
	m->kvm = (uint32_t)wire_add(fds, run->kvm_fd);
	m->kernel = (uint32_t)wire_add(fds, run->kernel.fd);
	m->calls = (uint32_t)wire_add(fds, run->calls_fd);
	m->orders = (uint32_t)wire_add(fds, run->obeys_fd);
	if (run->refused_fd >= 0)
		m->refused = (uint32_t)wire_add(fds, run->refused_fd);
	int r = defaults_cmdline(s, s->files, m->cmdline, sizeof(m->cmdline), e);
	if (r < 0)
		return r;
	/* By descriptor: when the guest reboots, another file may have that path, or none. */
	int *initrd = s->files ? &s->files->initrd : NULL;
	if (s->initrd || (initrd && *initrd >= 0))
		r = give_file(run, fds, initrd, s->initrd, &m->initrd, e);
	return r < 0 ? r : describe_figures(s, run, m, fds, e);
}

/* usher-vmm gets @b's end; backends_await() asks whether it serves. */
static void give_backend(struct engine_run *run, const struct backend *b, const char *name,
	unsigned queues, struct wire_virtio *w, struct wire_fds *fds)
{
	w->fd = give_fd(run, fds, b->end);
	w->backend.queues = queues;
	file_escape(w->backend.name, sizeof(w->backend.name), name);
}

static int describe_image(const struct bind_env *env, const struct guest_disk *d,
	struct disk *open_disk, struct engine_run *run, struct wire_virtio *w, struct wire_fds *fds,
	struct err *e)
{
	struct backend *b = &run->backends.list[run->backends.count++];

	int r = storage_start(b, d, open_disk->image, env->state, &run->cgroup, e);
	disk_close(open_disk); /* the daemon has the claims */
	if (r == 0)
		give_backend(run, b, d->path, d->queues, w, fds);
	return r;
}

static int describe_disk(const struct bind_env *env, const struct guest_disk *d,
	struct disk *open_disk, struct engine_run *run, struct wire_virtio *w, struct wire_fds *fds,
	struct err *e)
{
	int r = open_disk->fd < 0 ? disk_open(d, open_disk, e) : 0;

	if (r < 0)
		return r;
	if (open_disk->image)
		return describe_image(env, d, open_disk, run, w, fds, e);
	w->disk = (struct wire_disk){.size = open_disk->size,
		.logical = open_disk->logical,
		.physical = open_disk->physical,
		.flags = (uint16_t)((d->readonly ? WIRE_DISK_READONLY : 0) |
				    (open_disk->direct ? WIRE_DISK_DIRECT : 0) |
				    (d->poll ? WIRE_DISK_POLL : 0)),
		.queues = (uint16_t)d->queues};
	memcpy(w->disk.serial, d->serial, sizeof(w->disk.serial));
	w->fd = give_fd(run, fds, TAKE_FD(open_disk->fd));
	return 0;
}

static int open_pair(const struct guest_net *n, bool first, struct engine_run *run,
	struct wire_fds *fds, struct wire_net_pair *ret, struct err *e)
{
	int fd = net_open_tap(n, first, e);

	if (fd < 0)
		return fd;
	*ret = (struct wire_net_pair){give_fd(run, fds, fd), WIRE_FD_NONE};
	if (!net_wants_vhost(n))
		return 0;
	fd = net_open_vhost(e);
	if (fd < 0)
		return fd;
	ret->vhost = give_fd(run, fds, fd);
	return 0;
}

static int describe_tap(const struct guest_net *n, struct engine_run *run, struct wire_virtio *w,
	struct wire_fds *fds, struct err *e)
{
	struct wire_net_pair first = {0};

	int r = open_pair(n, true, run, fds, &first, e);
	w->fd = first.tap;
	w->net.vhost = first.vhost;
	while (r == 0 && w->net.more_count + 1 < n->queues)
		r = open_pair(n, false, run, fds, &w->net.more[w->net.more_count++], e);
	return r;
}

static int describe_net_backend(const struct guest_net *n, struct engine_run *run,
	struct wire_virtio *w, struct wire_fds *fds, struct err *e)
{
	struct backend *b = &run->backends.list[run->backends.count++];

	int r = backend_connect(b, n->backend, e);
	if (r < 0)
		return r;
	w->net.line = WIRE_NET_BACKEND;
	give_backend(run, b, n->backend, 1, w, fds);
	return 0;
}

static int describe_share(const struct bind_env *env, const struct guest_share *s,
	struct engine_run *run, struct wire_virtio *w, struct wire_fds *fds, struct err *e)
{
	struct backend *b = &run->backends.list[run->backends.count++];

	int r = share_start(b, s, env->state, &run->cgroup, e);
	if (r < 0)
		return r;
	memcpy(w->backend.tag, s->tag, sizeof(w->backend.tag));
	give_backend(run, b, s->tag, 1, w, fds);
	return 0;
}

static int describe_net(const struct bind_env *env, const struct guest_net *n,
	struct engine_run *run, struct wire_virtio *w, struct wire_fds *fds, struct err *e)
{
	w->net = (struct wire_net){.line = n->tap[0] ? WIRE_NET_TAP : WIRE_NET_STREAM,
		.mtu = n->mtu,
		.flags = (n->no_offload ? WIRE_NET_NO_OFFLOAD : 0U) |
			 (n->host_loopback ? WIRE_NET_REACHES_HOST : 0U),
		.vhost = WIRE_FD_NONE};
	memcpy(w->net.mac, n->mac, sizeof(w->net.mac));
	if (n->tap[0])
		return describe_tap(n, run, w, fds, e);
	if (n->backend[0])
		return describe_net_backend(n, run, w, fds, e);
	cleanup_fd int fd = passt_start(&run->passt, n, env->state, e);
	if (fd < 0)
		return fd;
	/* The guest gets a card that nobody asked for only if it works. */
	int r = n->is_default ? passt_await(&run->passt, e) : 0;
	if (r < 0)
		return r;
	w->fd = give_fd(run, fds, TAKE_FD(fd));
	return 0;
}

static int describe_vsock(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct wire_virtio *w, struct wire_fds *fds, struct err *e)
{
	int fd = s->vsock_listens ? vsock_listen(s, env->state, &run->ports[run->port_count],
					    &run->calls.sockets, e)
				  : vsock_open(w->cid, e);

	if (fd < 0)
		return fd;
	run->port_count += s->vsock_listens;
	w->fd = give_fd(run, fds, fd);
	w->vsock_listens = s->vsock_listens;
	return 0;
}

/* A default never prevents a guest that runs without it. */
static void net_leave_out(struct engine_run *run, struct wire_machine *m, struct err *e)
{
	err_say(&run->missing, e->code, "the guest has no network: %s", e->msg);
	err_hint(&run->missing, "leave it out with --net none");
	*e = (struct err){0};
	passt_stop(&run->passt);
	m->virtio_count--;
}

static int describe_virtio(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct wire_machine *m, struct wire_fds *fds, struct err *e)
{
	struct disk own = DISK_NONE;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		struct wire_virtio *w = &m->virtio[m->virtio_count++];
		struct disk *d = s->files ? &s->files->disks[i] : &own;
		const size_t served = run->backends.count;
		*w = (struct wire_virtio){.type = v->type, .fd = WIRE_FD_NONE, .cid = v->cid};
		if (v->type == GUEST_VIRTIO_NET)
			r = describe_net(env, &v->net, run, w, fds, e);
		if (v->type == GUEST_VIRTIO_VSOCK)
			r = describe_vsock(env, s, run, w, fds, e);
		if (r < 0 && v->type == GUEST_VIRTIO_NET && v->net.is_default) {
			net_leave_out(run, m, e);
			r = 0;
		} else if (v->type == GUEST_VIRTIO_BLK)
			r = describe_disk(env, &v->disk, d, run, w, fds, e);
		else if (v->type == GUEST_VIRTIO_FS)
			r = describe_share(env, &v->share, run, w, fds, e);
		if (run->backends.count > served)
			run->backends.list[served].number = m->virtio_count - 1;
	}
	return r;
}

/* The descriptors are closed in engine_finish(), what was made at a path in engine_ended(). */
static int describe_ports(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct wire_machine *m, struct wire_fds *fds, struct err *e)
{
	char path[PORT_PATH_MAX];

	for (size_t i = 0; i < s->port_count; i++) {
		const struct guest_port *p = &s->ports[i];
		struct port *o = &run->ports[run->port_count];
		struct wire_port *w = &m->ports[m->port_count++];
		if (port_path(p, env->state, s->name, path, sizeof(path)) < 0)
			return err_say(e, -EINVAL, "--port: '%s': its path is too long", p->name);
		int r = port_open(p, path, o, e);
		if (r < 0)
			return r;
		run->port_count++;
		*w = (struct wire_port){.kind = p->kind, .fd = WIRE_FD_NONE, .door = WIRE_FD_NONE};
		(void)snprintf(w->name, sizeof(w->name), "%s", p->name);
		if (p->kind == GUEST_PORT_FILE)
			w->limit = p->limit ? p->limit : PORT_LIMIT_DEFAULT;
		if (o->fd >= 0)
			w->fd = give_fd(run, fds, TAKE_FD(o->fd));
		if (o->door_fd >= 0)
			w->door = give_fd(run, fds, TAKE_FD(o->door_fd));
	}
	return 0;
}

static int describe_devices(const struct guest_spec *s, struct engine_run *run,
	struct wire_machine *m, struct wire_fds *fds, struct err *e)
{
	const struct open_devices *d = run->devices;
	uint32_t ioas = d ? (uint32_t)wire_add(fds, d->ioas.fd) : WIRE_FD_NONE;

	for (size_t i = 0; d && i < d->device_count; i++) {
		const struct guest_device *g = &s->devices[i];
		struct wire_device *w = &m->devices[m->device_count++];
		*w = (struct wire_device){
			.kind = WIRE_DEVICE_VFIO,
			.address = wire_address_of(d->devices[i].address),
			.ioas = ioas,
			.device = (uint32_t)wire_add(fds, d->devices[i].vfio.fd),
			.group = d->devices[i].group,
			.rom = g->rom_off  ? WIRE_ROM_OFF
			       : g->rom[0] ? WIRE_ROM_FILE
					   : WIRE_ROM_OWN,
			.rom_file = WIRE_FD_NONE,
			.trace = g->trace,
		};
		int *rom = s->files ? &s->files->roms[i] : NULL;
		int r = g->rom[0] ? give_file(run, fds, rom, g->rom, &w->rom_file, e) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* usher-vmm does not run yet: the message waits in the socket. */
static int send_description(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct err *e)
{
	struct wire_fds fds = {0};
	struct wire_machine m;

	wire_machine_init(&m, WIRE_MACHINE);
	int r = describe_guest(s, run, &m, &fds, e);
	if (r < 0)
		return r;
	r = describe_virtio(env, s, run, &m, &fds, e);
	if (r < 0)
		return r;
	r = describe_ports(env, s, run, &m, &fds, e);
	if (r < 0)
		return r;
	r = describe_devices(s, run, &m, &fds, e);
	if (r == 0)
		r = passt_await(&run->passt, e);
	for (size_t i = 0; r == 0 && i < run->backends.count; i++)
		r = backend_await(&run->backends.list[i], e);
	if (r < 0)
		return r;
	r = wire_send(run->line_fd, &m, sizeof(m), &fds);
	return r < 0 ? err_set(e, r, "describe the guest to " VMM_NAME) : 0;
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
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
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
	r = geteuid() == 0 ? uid_reserve(env->state, &run->uid, e) : 0;
	if (r < 0)
		return r;
	return s->device_count ? devices_open(env, s, groups, &run->devices, e) : 0;
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
	r = open_parts(env, s, groups, run, e);
	if (r < 0)
		return r;
	r = send_description(env, s, run, e);
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
};
