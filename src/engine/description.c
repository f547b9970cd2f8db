/* SPDX-License-Identifier: MIT */
#include "engine/description.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/output.h"
#include "engine/defaults.h"
#include "engine/devices.h"
#include "engine/files.h"
#include "engine/inherited.h"
#include "engine/net.h"
#include "engine/storage.h"
#include "engine/vsock.h"
#include "wire/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
	const uint32_t ioas = d ? (uint32_t)wire_add(fds, d->ioas.fd) : WIRE_FD_NONE;

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

static int message_send(
	struct engine_run *run, struct wire_machine *m, const struct wire_fds *fds, struct err *e)
{
	int r = wire_send(run->line_fd, m, sizeof(*m), fds);

	return r < 0 ? err_set(e, r, "describe the guest to usher-vmm") : 0;
}

int description_send(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct err *e)
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
	m.lent_count = (uint32_t)s->device_count;
	if (run->devices)
		m.lent_ioas = (uint32_t)wire_add(&fds, run->devices->ioas.fd);
	return message_send(run, &m, &fds, e);
}

/* They start while the kernel resets the devices, and while usher-vmm prepares the guest. */
static int await_servers(struct engine_run *run, struct err *e)
{
	int r = passt_await(&run->passt, e);

	for (size_t i = 0; r == 0 && i < run->backends.count; i++)
		r = backend_await(&run->backends.list[i], e);
	return r;
}

int description_send_devices(const struct guest_spec *s, struct engine_run *run, struct err *e)
{
	struct wire_fds fds = {0};
	struct wire_machine m;
	struct timespec now;

	wire_machine_init(&m, WIRE_DEVICES);
	int r = describe_devices(s, run, &m, &fds, e);
	if (r == 0)
		r = await_servers(run, e);
	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	m.ready_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return message_send(run, &m, &fds, e);
}
