/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/thread.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vhost.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <endian.h>
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/*
 * How it works
 *
 * The kernel has the queues of both directions while `running`. The third one is for events, of
 * which there are none: a guest is never moved to another host. The main thread alone starts and
 * stops the kernel's work; a vCPU wakes it, and a driver that resets waits until the kernel has
 * left its memory.
 */
#define CLASS_OTHER 0x00ff00 /* no class of its own */
#define RINGS 2 /* receive, transmit: the kernel's */
#define QUEUES 3

struct virtio_vsock {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	struct virtio_vsock_config config;
	struct vhost vhost;
	int kicks[RINGS]; /* the transport's */
	/* Eventfds: a vCPU wants something; chains came back, without MSI-X; a ring is nowhere. */
	struct loop_source wake, called, failed;
	bool wanted; /* the driver has said 'go' */
	bool running; /* the kernel serves it */
	bool rewired; /* its interrupts are others now */
};

static struct virtio_vsock *vsock_of(struct virtio_device *d)
{
	return container_of(d, struct virtio_vsock, device);
}

WALL_CALL(main, ioctl, VHOST_VSOCK_SET_RUNNING);

static int vsock_run(struct virtio_vsock *v, int run)
{
	return vhost_call(&v->vhost, VHOST_VSOCK_SET_RUNNING, &run);
}

static void vsock_stop(struct virtio_vsock *v)
{
	if (v->running)
		(void)vsock_run(v, 0);
	v->running = false;
}

/* The eventfd by which the kernel tells of chains that it has returned to queue @n. */
static int call_fd(struct virtio_vsock *v, unsigned n)
{
	const int fd = virtio_signal_fd(&v->device, n);

	return fd < 0 ? v->called.fd : fd;
}

/* A ring that the kernel cannot use is one that the driver has put nowhere. */
static void vsock_break(struct virtio_vsock *v)
{
	struct virtq *q = &v->device.queues[0];

	vsock_stop(v);
	q->broken = true;
	q->why = "the host's kernel cannot use its rings";
	virtio_returned(&v->device, 0);
}

static void vsock_start(struct virtio_vsock *v)
{
	struct vhost_rings rings = {
		.queues = v->device.queues, .count = RINGS, .error = v->failed.fd};

	v->wanted = true;
	if (v->running || !v->device.queues[0].enabled || !v->device.queues[1].enabled)
		return;
	for (unsigned n = 0; n < RINGS; n++) {
		rings.kicks[n] = v->kicks[n];
		rings.calls[n] = call_fd(v, n);
	}
	v->running =
		vhost_set_rings(&v->vhost, v->device.accepted, &rings) == 0 && vsock_run(v, 1) == 0;
	if (!v->running)
		vsock_break(v);
}

WALL_CALL(main | vcpu, write);

static void main_wake(struct virtio_vsock *v)
{
	(void)eventfd_write(v->wake.fd, 1);
}

/* A doorbell that KVM did not take, or 'go'. */
static void vsock_rang(struct virtio_device *d, unsigned n)
{
	struct virtio_vsock *v = vsock_of(d);

	if (thread_is_vcpu) {
		main_wake(v);
		return;
	}
	vsock_start(v);
	if (v->running && n < RINGS)
		(void)eventfd_write(v->kicks[n], 1);
}

/* The kernel waits for it. */
static bool vsock_watches(struct virtio_device *d, unsigned n, int eventfd)
{
	if (n < RINGS)
		vsock_of(d)->kicks[n] = eventfd;
	return n < RINGS;
}

/* Interrupts may have been signalled to where nobody listens any more: one more does no harm. */
static void calls_renew(struct virtio_vsock *v)
{
	if (!v->rewired || !v->running)
		return;
	v->rewired = false;
	for (unsigned n = 0; n < RINGS; n++) {
		vhost_set_call(&v->vhost, n, call_fd(v, n));
		v->device.transport->interrupt(v->device.transport, n);
	}
}

/* Context: main thread. */
static void on_wake(struct loop_source *s, uint32_t events)
{
	struct virtio_vsock *v = container_of(s, struct virtio_vsock, wake);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(v->device.lock);
	if (!v->wanted)
		vsock_stop(v);
	calls_renew(v);
	for (unsigned n = 0; n < RINGS; n++)
		virtio_rang(&v->device, n);
	lock_drop(v->device.lock);
}

/* Context: main thread. The driver has no MSI-X: the interrupt is ours. */
static void on_called(struct loop_source *s, uint32_t events)
{
	struct virtio_vsock *v = container_of(s, struct virtio_vsock, called);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(v->device.lock);
	for (unsigned n = 0; v->running && n < RINGS; n++)
		v->device.transport->interrupt(v->device.transport, n);
	lock_drop(v->device.lock);
}

/* Context: main thread. */
static void on_failed(struct loop_source *s, uint32_t events)
{
	struct virtio_vsock *v = container_of(s, struct virtio_vsock, failed);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(v->device.lock);
	if (v->running)
		vsock_break(v);
	lock_drop(v->device.lock);
}

static void vsock_rewired(struct virtio_device *d)
{
	struct virtio_vsock *v = vsock_of(d);

	if (!v->running)
		return;
	v->rewired = true;
	main_wake(v);
}

/* A vCPU leaves it to the main thread, and the driver waits until that is done. */
static void vsock_reset(struct virtio_device *d)
{
	struct virtio_vsock *v = vsock_of(d);

	v->wanted = v->rewired = false;
	if (v->running && thread_is_vcpu)
		main_wake(v);
	else
		vsock_stop(v);
}

static bool vsock_is_drained(struct virtio_device *d, unsigned n)
{
	return !vsock_of(d)->running;
}

static void vsock_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	memcpy(to, (const char *)&vsock_of(d)->config + off, len);
}

WALL_CALL(main, close);

static void sources_close(struct virtio_vsock *v)
{
	struct loop_source *const all[] = {&v->wake, &v->called, &v->failed};

	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i]->fd >= 0)
			loop_remove(&v->vm->loop, all[i]);
	loop_settle(&v->vm->loop);
	for (size_t i = 0; i < COUNT(all); i++)
		fd_close(&all[i]->fd);
}

static void vsock_fini(struct virtio_device *d)
{
	struct virtio_vsock *v = vsock_of(d);

	vsock_stop(v);
	sources_close(v);
	vhost_fini(&v->vhost);
	free(v);
}

#define FEATURES (VHOST_RING_FEATURES | BIT64(VIRTIO_VSOCK_F_SEQPACKET))

static const struct virtio_ops vsock_ops = {
	.name = "virtio-vsock",
	.type = VIRTIO_TYPE_VSOCK,
	.queue_count = QUEUES,
	.one_vector = true,
	.features = BIT64(VIRTIO_VSOCK_F_SEQPACKET),
	.config_size = sizeof(struct virtio_vsock_config),
	.config_read = vsock_config_read,
	.rang = vsock_rang,
	.watches = vsock_watches,
	.rewired = vsock_rewired,
	.reset = vsock_reset,
	.is_drained = vsock_is_drained,
	.fini = vsock_fini,
};

WALL_CALL(main, eventfd2);

static int source_open(struct virtio_vsock *v, struct loop_source *s,
	void (*ready)(struct loop_source *s, uint32_t events), struct err *e)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	*s = (struct loop_source){.fd = fd, .ready = ready};
	if (fd < 0)
		return err_set(e, -errno, "make a virtio-vsock");
	int r = loop_add(&v->vm->loop, s, e);
	if (r < 0)
		fd_close(&s->fd);
	return r;
}

static int vsock_open(struct virtio_vsock *v, int fd, struct err *e)
{
	int r = vhost_init(&v->vhost, fd, FEATURES, "vhost-vsock", e);

	if (r >= 0)
		r = source_open(v, &v->wake, on_wake, e);
	if (r >= 0)
		r = source_open(v, &v->called, on_called, e);
	return r < 0 ? r : source_open(v, &v->failed, on_failed, e);
}

int virtio_vsock_add(struct vm *vm, int fd, uint64_t cid, struct err *e)
{
	struct virtio_vsock *v = calloc(1, sizeof(*v));

	if (!v) {
		fd_close(&fd);
		return err_set(e, -ENOMEM, "make a virtio-vsock");
	}
	v->vm = vm;
	v->config.guest_cid = htole64(cid);
	v->wake.fd = v->called.fd = v->failed.fd = -1;
	virtio_init(&v->device, &vsock_ops, vm->name, &vm->memory);
	int r = vsock_open(v, fd, e);
	if (r < 0) {
		vsock_fini(&v->device);
		return r;
	}
	v->device.offered &= (v->vhost.features | ~FEATURES) & ~VHOST_NEVER;
	r = virtio_pci_init(&v->pci, vm, &v->device, CLASS_OTHER, e);
	if (r >= 0)
		r = pci_plug(vm, &v->pci.endpoint.func, "virtio-vsock", e);
	if (r < 0)
		virtio_pci_fini(&v->pci);
	return r;
}
