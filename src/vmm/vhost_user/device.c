/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/device.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/keeper.h"
#include "vmm/vhost_user/doorbell.h"
#include "vmm/vhost_user/kind.h"
#include "vmm/vhost_user/link.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"
#include "vmm/worker.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define RENEW_MS 500 /* between two tries */
#define RETRY_MS 2000 /* for so long a driver's reset waits for one that may be there again */
#define LASTS_MS 10000 /* a back end that ends sooner after its return has returned in vain */
#define VAIN_MAX 4

/*
 * How it works
 *
 * The driver, under the device's lock, only notes what is to be: `wanted`, and the generation that
 * each reset counts up. A worker follows: it takes a copy of the rings, drops the lock, talks to
 * the back end, which may take long, and looks again. A reset by the driver reads back 0 when the
 * worker has stopped the rings, so that the driver knows when its memory is its own again.
 *
 * A back end that ends is awaited if it notes what it has in work where that outlives it
 * (inflight): then it knows itself what is to be done again. Any other that ends, and one that does
 * not answer, or answers what cannot be, is lost: the device asks for a reset (DEVICE_NEEDS_RESET),
 * and the guest goes on. What the back end had taken is neither repeated nor answered: only the
 * back end knew what it had done. A reset by the driver looks once for a back end that is there
 * again, and waits for RETRY_MS at most: with it the next driver begins anew, and without one it is
 * offered nothing.
 *
 * Nothing here follows what the back end writes into guest memory or into the configuration: these
 * are for the driver alone.
 */
struct vhost_user_device {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	struct vhost_user_spec spec;
	const struct vhost_user_kind *kind;
	struct virtio_ops ops;
	struct vhost_user_link link; /* the worker's, once the device is plugged */
	struct loop_source end; /* of the socket: the back end is gone */
	struct loop_source called; /* eventfd: chains came back, and there is no MSI-X */
	bool watched; /* `end` is in the loop */
	int kicks[VIRTIO_QUEUES_MAX]; /* the doorbells' eventfds, which stay the transport's */
	uint8_t config[VHOST_USER_CONFIG_MAX];
	struct worker worker;
	struct worker_job job;
	/* Under the lock: */
	bool wanted; /* the driver has said 'go' */
	bool rewired; /* its interrupts are others now */
	bool lost;
	bool over; /* the guest is: nothing is done for it any more */
	bool retries; /* lost, and the driver begins anew: perhaps a back end is there again */
	int64_t tried_ms; /* when that was last */
	bool told; /* that one is there again in vain */
	bool away; /* the back end has ended, and may come back: it noted what it had in work */
	bool resumes; /* it is back, and the rings are the same */
	int renewing; /* the connection to one that may be back; -1: none */
	int64_t back_ms; /* when it was back last */
	unsigned vain; /* times that it returned in vain, one after the other */
	uint64_t generation; /* counts resets */
	uint64_t bells; /* bit N: queue N was rung by the driver, and not by KVM */
	bool running; /* the back end has the rings of generation `started` */
	uint64_t started;
	struct vhost_user_ring rings[VIRTIO_QUEUES_MAX]; /* the worker's */
};

static struct vhost_user_device *user_of(struct virtio_device *d)
{
	return container_of(d, struct vhost_user_device, device);
}

/* Under the lock. From now on no reboot waits for it. */
static void rings_end(struct vhost_user_device *u)
{
	if (u->running)
		(void)__atomic_fetch_sub(&u->vm->transfers, 1, __ATOMIC_RELEASE);
	u->running = false;
}

WALL_CALL(main | worker, shutdown);

static void end_unwatch(struct vhost_user_device *u)
{
	if (u->watched)
		loop_remove(&u->vm->loop, &u->end);
	u->watched = false;
}

/* Under the lock. Whether it ends again and again, which would fill the log without end. */
static bool is_in_vain(struct vhost_user_device *u)
{
	if (u->back_ms && clock_ms() - u->back_ms < LASTS_MS)
		return ++u->vain > VAIN_MAX;
	u->vain = 0;
	return false;
}

/*
 * Under the lock. A back end that has ended, and noted what it had in work, goes on with it when it
 * is back. The driver waits, and learns nothing of it.
 */
static bool backend_leaves(struct vhost_user_device *u, int r)
{
	if ((r != -EPIPE && r != -ECONNRESET) || u->link.inflight_fd < 0)
		return false;
	u->away = true;
	end_unwatch(u);
	u->resumes = u->running && u->started == u->generation;
	rings_end(u);
	log_warn(u->vm->name, "%s '%s': its back end has ended; its requests wait until it is back",
		u->kind->name, u->spec.name);
	worker_add(&u->worker, &u->job);
	return true;
}

/* Under the lock. One that hangs sees the end of the conversation, and ends. */
static void backend_lose(struct vhost_user_device *u, int r)
{
	if (u->lost || u->away || (!is_in_vain(u) && backend_leaves(u, r)))
		return;
	u->lost = true;
	u->told = false;
	u->device.offered = 0;
	if (u->kind->config_lose)
		u->kind->config_lose(u->config);
	rings_end(u);
	(void)shutdown(u->link.fd, SHUT_RDWR);
	log_error(u->vm->name, "%s '%s' is out of service: its back end %s; the guest goes on",
		u->kind->name, u->spec.name, vhost_user_link_loss(r));
	if (u->device.status)
		virtio_need_reset(&u->device);
}

/* Where a back end that is back goes on, but for what its note says. Ref: vhost-user, inflight. */
static uint16_t ring_place(const struct vhost_user_device *u, const struct virtq *q)
{
	uint16_t used = 0;

	(void)memory_le16_get(
		&u->vm->memory, GPA(q->used.v + offsetof(struct vring_used, idx)), &used);
	return used;
}

/* Under the lock. Takes a copy of what the driver has set up. */
static void rings_copy(struct vhost_user_device *u)
{
	for (unsigned n = 0; n < u->device.queue_count; n++) {
		const struct virtq *q = &u->device.queues[n];
		const int call = virtio_signal_fd(&u->device, n);
		u->rings[n] = (struct vhost_user_ring){.enabled = q->enabled,
			.size = q->size,
			.desc = q->desc,
			.avail = q->avail,
			.used = q->used,
			.base = u->resumes ? ring_place(u, q) : 0,
			.kick = u->kicks[n],
			.call = call < 0 ? u->called.fd : call};
	}
	u->rewired = false;
	u->bells = 0; /* each ring is rung at its start */
}

/* Under the lock, which is dropped meanwhile, as in the next three. */
static int rings_start(struct vhost_user_device *u)
{
	struct lock *lock = u->device.lock;
	const uint64_t accepted = u->device.accepted;
	const bool resumes = u->resumes;

	rings_copy(u);
	u->resumes = false;
	u->started = u->generation;
	u->running = true;
	(void)__atomic_fetch_add(&u->vm->transfers, 1, __ATOMIC_RELEASE);
	lock_drop(lock);
	const int r = vhost_user_link_start(
		&u->link, &u->vm->memory, accepted, u->rings, u->device.queue_count, resumes);
	lock_take(lock);
	return r;
}

WALL_CALL(worker, poll);

/*
 * Under the lock. Has the keeper connect again, and agrees with the back end over @next, which the
 * caller drops in any case. The end of the guest shuts this connection, too: nobody waits for an
 * answer. @config: filled for the next driver; NULL: this driver keeps the one that it has read.
 */
static int connection_ask(
	struct vhost_user_device *u, struct vhost_user_link *next, uint8_t *config, int64_t end_ms)
{
	struct lock *lock = u->device.lock;

	*next = VHOST_USER_LINK_NONE;
	lock_drop(lock);
	const int fd = keeper_lend_backend(u->vm->keeper, u->spec.number);
	lock_take(lock);
	if (fd < 0)
		return fd;
	next->fd = fd;
	if (u->over)
		return -ECANCELED;
	u->renewing = fd;
	lock_drop(lock);
	int r = vhost_user_link_ask(next, fd, end_ms);
	if (r == 0 && config)
		r = vhost_user_kind_agree(u->kind, &u->spec, next, config, NULL);
	lock_take(lock);
	u->renewing = -1;
	return u->over ? -ECANCELED : r;
}

/* Under the lock. */
static void backend_return(struct vhost_user_device *u)
{
	u->back_ms = clock_ms();
	u->end.fd = u->link.fd;
	u->watched = loop_add(&u->vm->loop, &u->end, NULL) >= 0;
	log_info(u->vm->name, "%s '%s': its back end is back", u->kind->name, u->spec.name);
}

/* Under the lock, which is dropped meanwhile: what a back end has sent may linger. */
static void connection_drop(struct vhost_user_device *u, struct vhost_user_link *l)
{
	struct lock *lock = u->device.lock;

	lock_drop(lock);
	vhost_user_link_fini(l);
	lock_take(lock);
}

/* Asks for a new connection. Return: 0, also if there is none yet; -errno. */
static int backend_renew(struct vhost_user_device *u)
{
	struct lock *lock = u->device.lock;
	struct vhost_user_link next;

	lock_drop(lock);
	(void)poll(NULL, 0, RENEW_MS);
	lock_take(lock);
	int r = connection_ask(u, &next, NULL, clock_ms() + vhost_user_patience);
	if (r == 0)
		r = vhost_user_link_renew(&u->link, &next);
	if (r == 0)
		backend_return(u);
	u->away = u->away && vhost_user_link_is_not_yet(r);
	connection_drop(u, &next);
	return vhost_user_link_is_not_yet(r) || u->over ? 0 : r;
}

/*
 * Under the lock. One that was lost may be there again, perhaps with other features: the driver
 * that has reset the device waits until this is known.
 */
static int backend_retry(struct vhost_user_device *u)
{
	const int64_t tried_ms = u->tried_ms, end_ms = tried_ms + RETRY_MS;
	uint8_t config[VHOST_USER_CONFIG_MAX] = {0};
	struct vhost_user_link next;

	int r = connection_ask(u, &next, config, end_ms);
	if (r == 0 && clock_ms() >= end_ms)
		r = -ETIMEDOUT; /* the driver has found none */
	if (r == 0) {
		const struct vhost_user_link before = u->link;
		end_unwatch(u);
		u->link = next;
		next = before;
		u->lost = false;
		u->device.offered = vhost_user_kind_offered(u->kind, &u->spec, u->link.features);
		memcpy(u->config, config, sizeof(config));
		backend_return(u);
	} else if (next.fd >= 0 && !u->over && !u->told && !vhost_user_link_is_not_yet(r)) {
		u->told = true;
		log_warn(u->vm->name, "%s '%s' stays out of service: its back end %s",
			u->kind->name, u->spec.name, vhost_user_link_loss(r));
	}
	u->retries = u->lost && u->tried_ms != tried_ms; /* for another reset since then */
	connection_drop(u, &next);
	return 0;
}

static int rings_stop(struct vhost_user_device *u)
{
	struct lock *lock = u->device.lock;

	lock_drop(lock);
	const int r = vhost_user_link_stop(&u->link, u->rings, u->device.queue_count);
	lock_take(lock);
	if (r == 0)
		rings_end(u);
	return r;
}

/*
 * Interrupts may have been signalled to where nobody listens any more: one more does no harm. It is
 * not signalled by the eventfd, which the back end can fill.
 */
static int rings_rewire(struct vhost_user_device *u)
{
	struct lock *lock = u->device.lock;
	int r = 0;

	for (unsigned n = 0; n < u->device.queue_count; n++) {
		const int call = virtio_signal_fd(&u->device, n);
		u->rings[n].call = call < 0 ? u->called.fd : call;
	}
	u->rewired = false;
	lock_drop(lock);
	for (unsigned n = 0; r == 0 && n < u->device.queue_count; n++)
		if (u->rings[n].enabled)
			r = vhost_user_link_set_call(&u->link, n, u->rings[n].call);
	lock_take(lock);
	for (unsigned n = 0; u->running && n < u->device.queue_count; n++)
		if (u->rings[n].enabled)
			u->device.transport->interrupt(u->device.transport, n);
	return r;
}

static int rings_ring(struct vhost_user_device *u)
{
	struct lock *lock = u->device.lock;
	const uint64_t bells = u->bells;

	u->bells = 0;
	lock_drop(lock);
	for (unsigned n = 0; n < u->device.queue_count; n++)
		if (bells & BIT64(n) && u->rings[n].enabled)
			doorbell_ring(u->rings[n].kick);
	lock_take(lock);
	return 0;
}

/* Under the lock. Return: 1 there is nothing to do; 0 something was done; -errno. */
static int rings_step(struct vhost_user_device *u)
{
	if (u->over || (u->lost && !u->retries))
		return 1;
	if (u->retries)
		return backend_retry(u);
	if (u->away)
		return backend_renew(u);
	if (u->running && u->started != u->generation)
		return rings_stop(u);
	if (!u->running)
		return u->wanted ? rings_start(u) : 1;
	if (u->rewired)
		return rings_rewire(u);
	return u->bells ? rings_ring(u) : 1;
}

static void rings_follow(struct worker_job *j)
{
	struct vhost_user_device *u = container_of(j, struct vhost_user_device, job);
	struct lock *lock = u->device.lock;
	int r;

	lock_take(lock);
	do
		r = rings_step(u);
	while (r == 0);
	if (r < 0)
		backend_lose(u, r);
	lock_drop(lock);
}

static void user_rang(struct virtio_device *d, unsigned n)
{
	struct vhost_user_device *u = user_of(d);

	u->wanted = true;
	u->bells |= BIT64(n);
	worker_add(&u->worker, &u->job);
}

/* The back end waits for it. */
static bool user_watches(struct virtio_device *d, unsigned n, int eventfd)
{
	user_of(d)->kicks[n] = eventfd;
	return true;
}

static void user_rewired(struct virtio_device *d)
{
	struct vhost_user_device *u = user_of(d);

	if (!u->running)
		return;
	u->rewired = true;
	worker_add(&u->worker, &u->job);
}

/* A driver that resets without end does not make the keeper connect without end. */
static bool may_retry(const struct vhost_user_device *u)
{
	return u->lost && !u->over && u->vain <= VAIN_MAX && clock_ms() - u->tried_ms >= RENEW_MS;
}

static void user_reset(struct virtio_device *d)
{
	struct vhost_user_device *u = user_of(d);

	u->generation++;
	u->wanted = u->rewired = u->resumes = false;
	u->bells = 0;
	if (may_retry(u)) {
		u->retries = true;
		u->tried_ms = clock_ms();
	}
	if (u->running || u->retries)
		worker_add(&u->worker, &u->job);
}

static bool user_is_drained(struct virtio_device *d, unsigned n)
{
	const struct vhost_user_device *u = user_of(d);

	return !u->running && (!u->retries || clock_ms() - u->tried_ms >= RETRY_MS);
}

static void user_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	memcpy(to, user_of(d)->config + off, len);
}

/* Context: main thread. */
static void on_end(struct loop_source *s, uint32_t events)
{
	struct vhost_user_device *u = container_of(s, struct vhost_user_device, end);
	struct pollfd p = {.events = POLLRDHUP};

	lock_take(u->device.lock);
	p.fd = u->link.fd;
	/* The event may be of the connection before. */
	if (u->watched && poll(&p, 1, 0) > 0) {
		backend_lose(u, -EPIPE);
		end_unwatch(u);
	}
	lock_drop(u->device.lock);
}

/* Context: main thread, which does not wait: the back end has this eventfd as well. */
static void on_called(struct loop_source *s, uint32_t events)
{
	struct vhost_user_device *u = container_of(s, struct vhost_user_device, called);

	if (!doorbell_take(s->fd))
		return;
	lock_take(u->device.lock);
	for (unsigned n = 0; u->running && n < u->device.queue_count; n++)
		if (virtio_signal_fd(&u->device, n) < 0)
			u->device.transport->interrupt(u->device.transport, n);
	lock_drop(u->device.lock);
}

static void user_free(struct vhost_user_device *u)
{
	vhost_user_link_fini(&u->link);
	fd_close(&u->called.fd);
	free(u);
}

/*
 * The guest is over: what the back end still does with its memory is nobody's. The worker has a
 * copy of the eventfds' numbers.
 */
static void user_halt(struct virtio_device *d)
{
	struct vhost_user_device *u = user_of(d);

	lock_take(d->lock);
	u->lost = u->over = true;
	rings_end(u);
	end_unwatch(u);
	(void)shutdown(u->link.fd, SHUT_RDWR);
	if (u->renewing >= 0)
		(void)shutdown(u->renewing, SHUT_RDWR);
	lock_drop(d->lock);
	worker_fini(&u->worker);
}

static void user_fini(struct virtio_device *d)
{
	struct vhost_user_device *u = user_of(d);

	loop_remove(&u->vm->loop, &u->called);
	loop_settle(&u->vm->loop);
	user_free(u);
}

static int backend_open(struct vhost_user_device *u, int fd, struct err *e)
{
	int r = vhost_user_link_init(&u->link, fd, u->spec.name, e);
	if (r < 0)
		return r;
	u->device.offered = vhost_user_kind_offered(u->kind, &u->spec, u->link.features);
	return vhost_user_kind_agree(u->kind, &u->spec, &u->link, u->config, e);
}

WALL_CALL(main, eventfd2);

static int sources_open(struct vhost_user_device *u, struct err *e)
{
	u->end = (struct loop_source){.fd = u->link.fd, .ready = on_end, .events = EPOLLRDHUP};
	u->called = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_called};
	if (u->called.fd < 0)
		return err_set(e, -errno, "make a virtio device");
	int r = loop_add(&u->vm->loop, &u->called, e);
	if (r < 0)
		return r;
	r = loop_add(&u->vm->loop, &u->end, e);
	if (r < 0)
		loop_remove(&u->vm->loop, &u->called);
	u->watched = r >= 0;
	return r;
}

static int user_plug(struct vhost_user_device *u, struct err *e)
{
	int r = virtio_pci_init(&u->pci, u->vm, &u->device, u->kind->class, e);

	if (r >= 0) {
		virtio_pci_share(&u->pci);
		r = pci_plug(u->vm, &u->pci.endpoint.func, u->kind->name, e);
	}
	if (r < 0)
		virtio_pci_fini(&u->pci);
	return r;
}

static void user_init(struct vhost_user_device *u, struct vm *vm)
{
	u->ops = (struct virtio_ops){.name = u->kind->name,
		.type = u->kind->type,
		.queue_count = u->spec.queues + u->kind->more_queues,
		.config_size = u->kind->config_size,
		.config_read = user_config_read,
		.rang = user_rang,
		.watches = user_watches,
		.rewired = user_rewired,
		.reset = user_reset,
		.is_drained = user_is_drained,
		.halt = user_halt,
		.fini = user_fini};
	u->vm = vm;
	u->link = VHOST_USER_LINK_NONE;
	u->called.fd = u->renewing = -1;
	u->job.run = rings_follow;
	worker_init(&u->worker, "vhost-user");
	virtio_init(&u->device, &u->ops, vm->name, &vm->memory);
}

int vhost_user_add(struct vm *vm, enum virtio_type type, const struct vhost_user_spec *s, int fd,
	struct err *e)
{
	const struct vhost_user_kind *kind = vhost_user_kind_find(type);
	struct vhost_user_device *u = kind ? calloc(1, sizeof(*u)) : NULL;

	if (!u || s->queues + kind->more_queues > VIRTIO_QUEUES_MAX) {
		fd_close(&fd);
		free(u);
		return err_set(e, u || !kind ? -EINVAL : -ENOMEM, "make a virtio device");
	}
	u->kind = kind;
	u->spec = *s;
	user_init(u, vm);
	int r = backend_open(u, fd, e);
	if (r >= 0)
		r = sources_open(u, e);
	if (r < 0) {
		worker_fini(&u->worker);
		user_free(u);
		return r;
	}
	return user_plug(u, e);
}
