/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock_socket.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/keeper.h"
#include "vmm/thread.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vsock_streams.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"
#include "vmm/worker.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/*
 * How it works
 *
 * The main thread alone moves bytes: when the loop reports a socket, when the driver rings, and
 * when a worker has made a connection. Each turn is bounded, and what is left is the next turn's,
 * so that a guest holds nobody up. A vCPU thread only wakes the main thread. A reset by the driver
 * leaves its memory at once, as nothing is kept of a chain; the connections are closed before the
 * next chain is taken.
 *
 * The third queue is for events, of which there are none: a guest is never moved to another host.
 */
#define CLASS_OTHER 0x00ff00 /* no class of its own */
#define RECEIVE 0
#define TRANSMIT 1
#define QUEUES 3
#define TURN_CHAINS 64 /* of each queue */
#define CALL_PAUSE_MS \
	5 /* between two connections that the guest wants: each is work for the keeper */

struct vsock_socket {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	struct virtio_vsock_config config;
	struct loop_source wake; /* an eventfd */
	struct loop_source door; /* listens */
	struct worker worker;
	struct worker_job job;
	struct virtq_chain chain;
	/* Under the lock: */
	bool stale; /* the driver has reset the device: its connections are over */
	bool ending;
	struct vsock_streams streams;
};

static struct vsock_socket *vsock_of(struct virtio_device *d)
{
	return container_of(d, struct vsock_socket, device);
}

WALL_CALL(main | vcpu | worker, write);

static void main_wake(struct vsock_socket *v)
{
	(void)eventfd_write(v->wake.fd, 1);
}

/* A chain that is no packet is the driver's mistake, and comes back. */
static void packet_take(struct vsock_socket *v, struct virtq *q)
{
	struct vsock_packet p;

	if (vsock_packet_read(q, &v->chain, &p) == 0)
		vsock_streams_take(&v->streams, &p, q, &v->chain);
	virtq_return(q, &v->chain, 0);
}

/* Return: whether something is left to do at once. */
static bool transmit_serve(struct vsock_socket *v)
{
	struct virtq *q = &v->device.queues[TRANSMIT];
	unsigned count = 0;
	int r;

	if (!q->enabled || q->broken)
		return false;
	virtq_silence(q);
	do {
		r = 0;
		while (count < TURN_CHAINS && vsock_streams_has_room(&v->streams) &&
			(r = virtq_take(q, &v->chain)) > 0) {
			packet_take(v, q);
			count++;
		}
	} while (r == 0 && count < TURN_CHAINS && vsock_streams_has_room(&v->streams) &&
		 virtq_listen(q));
	virtio_returned(&v->device, TRANSMIT);
	return count == TURN_CHAINS;
}

/* Return: as virtq_take(); 0 also if there is nothing for the guest after all. */
static int packet_give(struct vsock_socket *v, struct virtq *q)
{
	int r = virtq_take(q, &v->chain);
	if (r <= 0)
		return r;
	const int64_t size = vsock_streams_give(&v->streams, q, &v->chain);
	const struct virtq_done done = virtq_done_of(&v->chain, 0);
	if (size == 0) {
		virtq_untake(q, &done, 1);
		return 0;
	}
	if (size < 0) {
		q->broken = true;
		q->why = "a buffer for packets is not in memory, or too small";
		return -EPROTO;
	}
	virtq_return(q, &v->chain, (uint32_t)size);
	return 1;
}

/* Return: as above. */
static bool receive_serve(struct vsock_socket *v)
{
	struct virtq *q = &v->device.queues[RECEIVE];
	unsigned count = 0;
	int r = 1;

	if (!q->enabled || q->broken)
		return false;
	while (r > 0 && count < TURN_CHAINS && vsock_streams_wants(&v->streams)) {
		r = packet_give(v, q);
		count += r > 0;
		/* The driver rings for new buffers only if it is asked to. */
		if (r == 0 && vsock_streams_wants(&v->streams) && virtq_listen(q))
			r = 1;
	}
	if (count || q->broken)
		virtio_returned(&v->device, RECEIVE);
	return count == TURN_CHAINS;
}

/* What the guest sends may be answered, and answers make room for what it sends. */
static void vsock_serve(struct vsock_socket *v)
{
	if (v->stale)
		vsock_streams_close(&v->streams);
	v->stale = false;
	if (!virtio_is_going(&v->device))
		return;
	bool more = transmit_serve(v);
	const bool was_full = !vsock_streams_has_room(&v->streams);
	more |= receive_serve(v);
	if (more || (was_full && vsock_streams_has_room(&v->streams)))
		main_wake(v);
	if (vsock_streams_calls(&v->streams))
		worker_add(&v->worker, &v->job);
}

static void vsock_rang(struct virtio_device *d, unsigned n)
{
	if (thread_is_vcpu)
		main_wake(vsock_of(d));
	else
		vsock_serve(vsock_of(d));
}

static void vsock_reset(struct virtio_device *d)
{
	vsock_of(d)->stale = true;
	main_wake(vsock_of(d));
}

static void vsock_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	memcpy(to, (const char *)&vsock_of(d)->config + off, len);
}

/* Context: main thread, as the next two. */
static void on_wake(struct loop_source *s, uint32_t events)
{
	struct vsock_socket *v = container_of(s, struct vsock_socket, wake);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	lock_take(v->device.lock);
	vsock_serve(v);
	lock_drop(v->device.lock);
}

static void on_socket(struct loop_source *s, uint32_t events)
{
	struct vsock_stream *stream = container_of(s, struct vsock_stream, source);
	struct vsock_socket *v = stream->owner;

	lock_take(v->device.lock);
	vsock_streams_notice(&v->streams, stream, events);
	vsock_serve(v);
	lock_drop(v->device.lock);
}

WALL_CALL(main, accept4);

/* Without a driver there is nobody in the guest to connect to. */
static void on_door(struct loop_source *s, uint32_t events)
{
	struct vsock_socket *v = container_of(s, struct vsock_socket, door);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	lock_take(v->device.lock);
	if (fd >= 0 && virtio_is_going(&v->device) && !v->stale)
		(void)vsock_streams_admit(&v->streams, fd);
	else
		fd_close(&fd);
	lock_drop(v->device.lock);
}

WALL_CALL(worker, poll);

/* Connects what the guest wants. Context: a worker. */
static void calls_make(struct worker_job *j)
{
	struct vsock_socket *v = container_of(j, struct vsock_socket, job);
	struct lock *lock = v->device.lock;
	struct vsock_stream *s;

	lock_take(lock);
	while (!v->ending && (s = vsock_streams_calling(&v->streams))) {
		const uint64_t ticket = s->ticket;
		const uint32_t port = s->host_port;
		lock_drop(lock);
		const int fd = keeper_lend_socket(v->vm->keeper, port);
		(void)poll(NULL, 0, CALL_PAUSE_MS);
		lock_take(lock);
		vsock_streams_called(&v->streams, s, ticket, fd);
		main_wake(v);
	}
	lock_drop(lock);
}

static void vsock_halt(struct virtio_device *d)
{
	struct vsock_socket *v = vsock_of(d);

	lock_take(d->lock);
	v->ending = true;
	lock_drop(d->lock);
	worker_fini(&v->worker);
}

WALL_CALL(main, close);

static void vsock_free(struct vsock_socket *v)
{
	vsock_streams_close(&v->streams);
	if (v->wake.fd >= 0)
		loop_remove(&v->vm->loop, &v->wake);
	if (v->door.fd >= 0)
		loop_remove(&v->vm->loop, &v->door);
	loop_settle(&v->vm->loop);
	fd_close(&v->wake.fd);
	fd_close(&v->door.fd);
	free(v);
}

static void vsock_fini(struct virtio_device *d)
{
	vsock_free(vsock_of(d));
}

static const struct virtio_ops vsock_ops = {
	.name = "virtio-vsock",
	.type = VIRTIO_TYPE_VSOCK,
	.queue_count = QUEUES,
	.one_vector = true,
	.in_order = true,
	.config_size = sizeof(struct virtio_vsock_config),
	.config_read = vsock_config_read,
	.rang = vsock_rang,
	.reset = vsock_reset,
	.halt = vsock_halt,
	.fini = vsock_fini,
};

WALL_CALL(main, eventfd2);

static int sources_open(struct vsock_socket *v, struct err *e)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_set(e, -errno, "make a virtio-vsock");
	v->wake.fd = fd;
	int r = loop_add(&v->vm->loop, &v->wake, e);
	return r < 0 ? r : loop_add(&v->vm->loop, &v->door, e);
}

static void vsock_init(struct vsock_socket *v, struct vm *vm, int fd, uint64_t cid)
{
	v->vm = vm;
	v->config.guest_cid = htole64(cid);
	v->wake = (struct loop_source){.fd = -1, .ready = on_wake};
	v->door = (struct loop_source){.fd = fd, .ready = on_door};
	v->job.run = calls_make;
	worker_init(&v->worker, "virtio-vsock");
	vsock_streams_init(&v->streams, &vm->loop, cid, on_socket, v);
	virtio_init(&v->device, &vsock_ops, vm->name, &vm->memory);
}

int virtio_vsock_socket_add(struct vm *vm, int fd, uint64_t cid, struct err *e)
{
	struct vsock_socket *v = calloc(1, sizeof(*v));

	if (!v) {
		fd_close(&fd);
		return err_set(e, -ENOMEM, "make a virtio-vsock");
	}
	vsock_init(v, vm, fd, cid);
	int r = sources_open(v, e);
	if (r < 0) {
		worker_fini(&v->worker);
		vsock_free(v);
		return r;
	}
	r = virtio_pci_init(&v->pci, vm, &v->device, CLASS_OTHER, e);
	if (r >= 0)
		r = pci_plug(vm, &v->pci.endpoint.func, "virtio-vsock", e);
	if (r < 0)
		virtio_pci_fini(&v->pci);
	return r;
}
