/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/thread.h"
#include "vmm/virtio/blk_config.h"
#include "vmm/virtio/blk_io.h"
#include "vmm/virtio/blk_poll.h"
#include "vmm/virtio/blk_ring.h"
#include "vmm/virtio/disks.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"
#include "vmm/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * How it works
 *
 * A chain of a queue is taken into a slot, and parsed. A thread of the disk, which begins when a
 * driver first says 'go', submits reads, writes and flushes to an io_uring, which also waits for
 * the doorbell and signals the interrupts: a request that is alone costs two system calls. What
 * io_uring does not do (holes, zeroes, memory that direct I/O refuses, what the kernel did in part)
 * is a worker's; on a host without io_uring, all is.
 *
 * All queues have one doorbell, one ring and one thread: one call to the kernel takes and submits
 * what came in all of them. The guest's processors do not share a queue; that is what several are
 * for. A thread for each would cost a doorbell and a wait of its own for each request.
 *
 * A disk that polls does not wait for the doorbell while requests come, and a while after the last
 * one. The driver is not asked to ring then: no exit and no wake-up, but a busy processor.
 *
 * The invariant: the kernel reads or writes guest memory for a slot only while `vm->transfers` has
 * a pin for it, taken under the lock of the device, for a chain of the present generation. A reset
 * reads back 0, and a guest boots again, when the pins are gone; the completion that comes then
 * finds another generation, and writes nothing more: neither status nor used ring.
 *
 * A driver that does not flush (it refused VIRTIO_BLK_F_FLUSH) takes a write that has completed
 * for durable, so such a write is.
 */
#define CLASS_DISK 0x018000 /* mass storage, of no other kind */
#define SLOTS (BLK_RING_ENTRIES - 1) /* one entry waits for the doorbell */
#define DOORBELL 0 /* `user` of what waits for it */
#define BATCH 64 /* chains of a queue taken under one hold of the lock */

/* RING_VECTORS: the first of the eventfds of interrupts. */
enum ring_file { RING_DISK, RING_DOORBELL, RING_VECTORS };
#define RING_FILES (RING_VECTORS + VIRTIO_QUEUES_MAX + 1)

struct blk_slot {
	struct virtio_blk *blk;
	struct blk_slot *next; /* that is free, too */
	struct worker_job job;
	unsigned queue;
	struct virtq_done done;
	struct blk_request request;
};

struct virtio_blk {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	int fd;
	struct blk_spec disk;
	struct virtio_blk_config config;
	struct worker worker;
	struct blk_slot *slots, *unused; /* under the lock, as the next ones: */
	unsigned used; /* slots that were ever used: the memory of the others is not touched */
	unsigned busy[VIRTIO_QUEUES_MAX]; /* slots of each queue */
	unsigned handed; /* of all of these, to the worker */
	unsigned first; /* queue that is served first: each in turn */
	struct virtq_chain chain; /* that is being taken */
	int told; /* the last error of the host that was reported; 0: none */
	struct log_guest faults;
	struct worker_job resize;
	uint64_t wanted; /* size, of the resize that is under way */
	struct disk_resized *resized;
	/* With a ring: */
	struct blk_ring ring; /* the thread's */
	int doorbell; /* eventfd */
	struct blk_poll poll;
	bool ending; /* under the lock */
	bool has_thread; /* that serves the queues, and begins when the driver says 'go' */
	bool thread_runs;
	pthread_t thread;
};

static struct virtio_blk *blk_of(struct virtio_device *d)
{
	return container_of(d, struct virtio_blk, device);
}

static bool driver_flushes(const struct virtio_blk *b)
{
	return b->device.accepted & BIT64(VIRTIO_BLK_F_FLUSH);
}

static void slot_run(struct worker_job *j);

/* Under the lock. */
static void slot_hand(struct blk_slot *s)
{
	s->blk->handed++;
	worker_add(&s->blk->worker, &s->job);
}

/* Under the lock. Return: the slot that slot_take() takes next; NULL: there is none. */
static struct blk_slot *slot_find(struct virtio_blk *b)
{
	if (!b->unused && b->used < SLOTS) {
		struct blk_slot *s = &b->slots[b->used++];
		s->blk = b;
		s->job.run = slot_run;
		b->unused = s;
	}
	return b->unused;
}

/* Under the lock. Takes a chain of queue @n into a slot, pinned. Return: NULL: there is none. */
static struct blk_slot *slot_take(struct virtio_blk *b, unsigned n)
{
	struct virtq *q = &b->device.queues[n];
	struct blk_slot *s = slot_find(b);
	struct virtq_chain *c = &b->chain;
	int r;

	if (!s || !virtio_is_going(&b->device))
		return NULL;
	virtq_silence(q);
	do
		r = virtq_take(q, c);
	while (r == 0 && !b->poll.polling && virtq_listen(q));
	if (r < 0)
		virtio_returned(&b->device, n);
	if (r <= 0)
		return NULL;
	b->unused = s->next;
	b->busy[n]++;
	b->poll.active = true;
	s->queue = n;
	s->done = virtq_done_of(c, (uint32_t)min_u64(c->in_size, UINT32_MAX));
	pin_take(&b->vm->transfers);
	blk_request_parse(q, c, &b->disk, driver_flushes(b), &s->request);
	return s;
}

/*
 * Under the lock; the caller has the driver interrupted. The status is the last byte that the
 * device writes. A read that failed has written an unknown part of the rest, which the driver does
 * not look at.
 */
static void slot_answer(struct blk_slot *s)
{
	struct virtio_blk *b = s->blk;
	struct virtq *q = &b->device.queues[s->queue];
	const struct blk_request *r = &s->request;

	pin_drop(&b->vm->transfers);
	if (s->done.generation == q->generation) {
		if (!r->has_status ||
			memory_write(q->memory, r->status_at, &r->status, sizeof(r->status)) < 0)
			s->done.written = 0;
		virtq_return_together(q, &s->done, 1);
	}
	s->next = b->unused;
	b->unused = s;
	b->busy[s->queue]--;
}

static void disk_ring_doorbell(struct virtio_blk *b)
{
	(void)eventfd_write(b->doorbell, 1);
}

/* Under the lock. Return: true: there may be more. */
static bool chains_take(struct virtio_blk *b);

/*
 * Under the lock. An error of the host, such as a full file system, often comes with each request:
 * it is reported once, until another one comes or the guest starts again.
 */
static void fault_report(struct virtio_blk *b, enum blk_op op, int r)
{
	static const char *const verbs[] = {[BLK_READ] = "read",
		[BLK_WRITE] = "write to",
		[BLK_FLUSH] = "flush",
		[BLK_DISCARD] = "discard",
		[BLK_ZEROES] = "write zeroes to"};

	if (r >= 0 || r == b->told)
		return;
	b->told = r;
	log_guest(&b->faults, b->device.name, "%s '%s': %s; the guest gets an I/O error", verbs[op],
		b->disk.name, strerror(-r));
}

/* The worker's. A slot that is free again may be what a chain waits for. */
static void slot_run(struct worker_job *j)
{
	struct blk_slot *s = container_of(j, struct blk_slot, job);
	struct virtio_blk *b = s->blk;

	int r = blk_io(b->fd, &b->disk, &s->request);
	lock_take(b->device.lock);
	fault_report(b, s->request.op, r);
	b->handed--;
	slot_answer(s);
	virtio_returned(&b->device, s->queue);
	if (b->has_thread)
		disk_ring_doorbell(b);
	else
		(void)chains_take(b);
	lock_drop(b->device.lock);
}

/* The thread's. Return: whether the ring does it. */
static bool slot_submit(struct blk_slot *s)
{
	/* Of several parts; of one, which the kernel need not fetch from a vector. */
	static const uint8_t ops[][2] = {
		[BLK_READ] = {IORING_OP_READV, IORING_OP_READ},
		[BLK_WRITE] = {IORING_OP_WRITEV, IORING_OP_WRITE},
		[BLK_FLUSH] = {IORING_OP_FSYNC, IORING_OP_FSYNC},
	};
	const struct blk_request *r = &s->request;
	struct virtio_blk *b = s->blk;

	if (r->op == BLK_NOTHING || r->op > BLK_FLUSH || !blk_io_is_aligned(&b->disk, r))
		return false;
	const bool one = r->iov_count == 1;
	struct io_uring_sqe *e =
		blk_ring_next(&b->ring, ops[r->op][one], RING_DISK, (uint64_t)(uintptr_t)s);
	if (r->op == BLK_FLUSH) {
		e->fsync_flags = IORING_FSYNC_DATASYNC;
		return true;
	}
	/* BLK_DATA_MAX fits 32 bits. */
	e->addr = (uint64_t)(uintptr_t)(one ? r->iov[0].iov_base : r->iov);
	e->len = one ? (uint32_t)r->iov[0].iov_len : r->iov_count;
	e->off = r->off;
	e->rw_flags = r->op == BLK_WRITE && r->durable ? RWF_DSYNC : 0;
	return true;
}

/* The thread's: an interrupt is one more entry of the ring. */
static void driver_interrupt(struct virtio_blk *b, unsigned n)
{
	const int vector = virtio_returned_by(&b->device, n);

	if (vector >= 0 && !blk_ring_signal(&b->ring, RING_VECTORS + (unsigned)vector))
		b->device.transport->interrupt(b->device.transport, n);
}

static bool queue_take(struct virtio_blk *b, unsigned n)
{
	struct blk_slot *s = NULL;
	bool answered = false;

	for (unsigned i = 0; i < BATCH; i++) {
		s = slot_take(b, n);
		if (!s)
			break;
		if (b->has_thread && s->request.op == BLK_NOTHING) {
			slot_answer(s);
			answered = true;
		} else if (!b->has_thread || !slot_submit(s)) {
			slot_hand(s);
		}
	}
	if (answered)
		driver_interrupt(b, n);
	return s != NULL;
}

static bool chains_take(struct virtio_blk *b)
{
	const unsigned count = b->device.queue_count;
	bool more = false;

	/* Slots may end before queues do. */
	b->first = (b->first + 1) % count;
	for (unsigned i = 0; i < count; i++)
		more |= queue_take(b, (b->first + i) % count);
	return more;
}

/* Under the lock. What the kernel did not do, or in part, the worker does again, and judges. */
static void slot_complete(struct blk_slot *s, int32_t result)
{
	const bool is_flush = s->request.op == BLK_FLUSH;

	if (is_flush ? result < 0 : result < 0 || (uint64_t)result != s->request.len) {
		slot_hand(s);
		return;
	}
	s->request.status = VIRTIO_BLK_S_OK;
	slot_answer(s);
}

/* Under the lock. */
static void completions_take(struct virtio_blk *b)
{
	struct blk_ring_done done;

	while (blk_ring_reap(&b->ring, &done)) {
		b->poll.active = true;
		if (done.user > BLK_RING_SIGNAL)
			slot_complete((struct blk_slot *)(uintptr_t)done.user, done.result);
		else if (done.user == DOORBELL && !done.more)
			blk_ring_watch(&b->ring, RING_DOORBELL, DOORBELL);
	}
	for (unsigned i = 0; i < b->device.queue_count; i++)
		driver_interrupt(b, i);
}

/* Whether the ring has a request. The worker, which may have no thread, finishes its own. */
static bool ring_is_busy(const struct virtio_blk *b)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < b->device.queue_count; i++)
		busy += b->busy[i];
	return busy > b->handed;
}

/* Return: false: the disk ends, and nothing is on its way. */
static bool disk_serve(struct virtio_blk *b)
{
	bool more;

	do {
		lock_take(b->device.lock);
		completions_take(b);
		more = chains_take(b);
		const bool ends = b->ending && !ring_is_busy(b);
		lock_drop(b->device.lock);
		if (ends)
			return false;
	} while (more);
	return true;
}

/* Return: 0, -errno; then some of what there is was not submitted. */
static int disk_submit(struct virtio_blk *b)
{
	if (blk_poll_goes_on(&b->poll)) {
		blk_poll_pause();
		return blk_ring_submit(&b->ring);
	}
	if (b->poll.polling) {
		/* First the driver has to know that it must ring. */
		b->poll.polling = false;
		return blk_ring_submit(&b->ring);
	}
	return blk_ring_wait(&b->ring);
}

/* The device has no thread any more, and asks its driver for help. */
static void thread_fault(struct virtio_blk *b, int r)
{
	log_guest(&b->faults, b->device.name, "start the thread of '%s': %s", b->disk.name,
		strerror(-r));
	virtio_need_reset(&b->device);
}

static void *blk_thread(void *arg)
{
	struct virtio_blk *b = arg;

	const int r = blk_ring_enable(&b->ring);
	if (r < 0) {
		lock_take(b->device.lock);
		thread_fault(b, r);
		lock_drop(b->device.lock);
		return NULL;
	}
	blk_ring_watch(&b->ring, RING_DOORBELL, DOORBELL);
	while (disk_serve(b)) {
		/* The kernel is short of memory, or an earlier overflow is to be reaped first. */
		if (disk_submit(b) == -EAGAIN)
			(void)usleep(1000);
	}
	return NULL;
}

static bool thread_run(struct virtio_blk *b)
{
	if (b->thread_runs)
		return true;
	const int r = thread_start(&b->thread, THREAD_DISK, "virtio-blk", blk_thread, b);
	b->thread_runs = r >= 0;
	if (r < 0)
		thread_fault(b, r);
	return b->thread_runs;
}

/* Context: under the lock. */
static void blk_rang(struct virtio_device *d, unsigned n)
{
	struct virtio_blk *b = blk_of(d);

	if (!b->has_thread)
		(void)chains_take(b);
	else if (thread_run(b))
		disk_ring_doorbell(b);
}

WALL_CALL(main, fcntl, F_SETFL, F_DUPFD_CLOEXEC);

/* A read of a descriptor that does not block would end at once, and not wait in the ring. */
static bool blk_watches(struct virtio_device *d, unsigned n, int eventfd)
{
	struct virtio_blk *b = blk_of(d);

	if (!b->ring.map || fcntl(eventfd, F_SETFL, 0) < 0)
		return false;
	b->doorbell = fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
	return b->doorbell >= 0;
}

static void blk_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	memcpy(to, (const char *)&blk_of(d)->config + off, len);
}

static void blk_reset(struct virtio_device *d)
{
	blk_of(d)->told = 0;
}

static bool blk_is_drained(struct virtio_device *d, unsigned n)
{
	/* A request whose worker has no thread yet: this tries to start one. */
	if (blk_of(d)->busy[n])
		(void)worker_is_idle(&blk_of(d)->worker);
	return !blk_of(d)->busy[n];
}

static void thread_end(struct virtio_blk *b)
{
	if (!b->thread_runs)
		return;
	lock_take(b->device.lock);
	b->ending = true;
	lock_drop(b->device.lock);
	disk_ring_doorbell(b);
	(void)pthread_join(b->thread, NULL);
}

/* Has virtio_disk_resize() find @entry: the disk, or none. */
static void disk_list(struct virtio_blk *b, struct virtio_blk *entry)
{
	lock_take(&b->vm->disks.lock);
	b->vm->disks.of[b->disk.number] = entry;
	lock_drop(&b->vm->disks.lock);
}

WALL_CALL(main, close);

static void blk_fini(struct virtio_device *d)
{
	struct virtio_blk *b = blk_of(d);

	disk_list(b, NULL);
	thread_end(b);
	worker_fini(&b->worker);
	blk_ring_close(&b->ring);
	fd_close(&b->doorbell);
	fd_close(&b->fd);
	free(b->slots);
	free(b);
}

#define FEATURES                                                                                  \
	(BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_FLUSH) | \
		BIT64(VIRTIO_BLK_F_TOPOLOGY))
#define FEATURES_WRITE (BIT64(VIRTIO_BLK_F_DISCARD) | BIT64(VIRTIO_BLK_F_WRITE_ZEROES))

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.type = VIRTIO_TYPE_BLK,
	.queue_count = 1,
	.features = FEATURES,
	.config_size = sizeof(struct virtio_blk_config),
	.config_read = blk_config_read,
	.rang = blk_rang,
	.watches = blk_watches,
	.one_doorbell = true,
	.reset = blk_reset,
	.is_drained = blk_is_drained,
	.fini = blk_fini,
};

/* The worker's. The size of a file need not be a multiple of its blocks. */
static void disk_measure(struct worker_job *j)
{
	struct virtio_blk *b = container_of(j, struct virtio_blk, resize);
	uint64_t size = 0;

	int r = blk_io_size(b->fd, b->wanted, &size);
	size -= size % b->disk.logical;
	lock_take(b->device.lock);
	if (r >= 0 && size != b->disk.size) {
		b->disk.size = size;
		b->config.capacity = htole64(size / BLK_SECTOR);
		virtio_config_changed(&b->device);
	}
	lock_drop(b->device.lock);
	b->resized->tell(b->resized, r, size);
}

int virtio_disk_resize(struct vm *vm, unsigned n, uint64_t wanted, struct disk_resized *then)
{
	struct virtio_blk *b;

	if (n >= VIRTIO_DISKS_MAX)
		return -ENODEV;
	lock_take(&vm->disks.lock);
	b = vm->disks.of[n];
	if (b) {
		b->wanted = wanted;
		b->resized = then;
		worker_add(&b->worker, &b->resize);
	}
	lock_drop(&vm->disks.lock);
	return b ? 0 : -ENODEV;
}

/* A ring that cannot be had after all costs speed alone, but its doorbell is then unheard. */
static int ring_begin(struct virtio_blk *b, struct err *e)
{
	int files[RING_FILES] = {[RING_DISK] = b->fd, [RING_DOORBELL] = b->doorbell};
	const unsigned vectors = b->device.queue_count + 1;
	struct virtio_transport *t = b->device.transport;
	int r = 0;

	if (b->doorbell < 0)
		return 0;
	for (unsigned i = 0; r >= 0 && i < vectors; i++)
		r = files[RING_VECTORS + i] = t->vector_fd(t, i);
	if (r >= 0)
		r = blk_ring_restrict(&b->ring, files, RING_VECTORS + vectors);
	b->has_thread = r >= 0;
	return r < 0 ? err_set(e, r, "start the io_uring of a virtio-blk") : 0;
}

int virtio_blk_add(
	struct vm *vm, int fd, const struct blk_spec *s, const struct blk_ring *ring, struct err *e)
{
	struct virtio_blk *b = calloc(1, sizeof(*b));

	if (b)
		b->slots = calloc(SLOTS, sizeof(*b->slots));
	if (!b || !b->slots) {
		free(b);
		fd_close(&fd);
		return err_set(e, -ENOMEM, "make a virtio-blk");
	}
	b->vm = vm;
	b->fd = fd;
	b->doorbell = -1;
	b->disk = *s;
	b->poll.ns = s->poll_ns;
	b->ring = *ring;
	blk_config_fill(&b->config, s);
	b->resize.run = disk_measure;
	worker_init(&b->worker, "virtio-blk-io");
	virtio_init(&b->device, &blk_ops, vm->name, &vm->memory);
	b->device.offered |= s->readonly ? BIT64(VIRTIO_BLK_F_RO) : FEATURES_WRITE;
	b->device.offered |= s->queues > 1 ? BIT64(VIRTIO_BLK_F_MQ) : 0;
	b->device.queue_count = s->queues;
	int r = virtio_pci_init(&b->pci, vm, &b->device, CLASS_DISK, e);
	if (r >= 0)
		r = ring_begin(b, e);
	if (r >= 0 && s->poll_ns && !b->has_thread)
		log_warn(vm->name, "disk '%s' is not polled: this host has no io_uring for it",
			s->name);
	if (r >= 0)
		r = pci_plug(vm, &b->pci.endpoint.func, "virtio-blk", e);
	if (r < 0)
		virtio_pci_fini(&b->pci);
	else
		disk_list(b, b);
	return r;
}
