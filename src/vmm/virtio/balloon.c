/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/balloon.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/virtio/balloon_pages.h"
#include "vmm/virtio/balloon_stats.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/worker.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * The guest lists the numbers of pages that it has no use for, or, for a report, the pages
 * themselves. A worker gives them back to the host's kernel, which has zeroes there when the guest
 * touches them again: so to take pages back needs nothing of usher-vmm.
 *
 * The guest may name any page, at any time, also one that is in flight: it loses what was in that
 * page, and the kernel's transfer has the old one until its end. What is not RAM of the guest is
 * left alone, and reported.
 *
 * The invariant: pages are given back only for a chain of the present driver. A reset reads back 0
 * when the worker has nothing to do any more, so no page of a later driver is taken.
 */
#define CLASS_OTHER 0x00ff00 /* no class of its own */
#define KEEP_MIN MIB(8) /* no kernel runs in less: who asks for it has forgotten the unit */
#define PAGE_SHIFT VIRTIO_BALLOON_PFN_SHIFT

/*
 * Linux numbers its queues without a gap, so the number of one depends on which features the driver
 * has accepted: see queue_kind().
 */
enum balloon_queue { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_STATS_QUEUE, BALLOON_REPORT };
#define QUEUES 4

struct virtio_balloon {
	struct virtio_device device;
	struct virtio_pci pci;
	struct vm *vm;
	struct virtio_balloon_config config; /* under the lock */
	struct worker worker;
	struct worker_job job;
	struct virtq_chain chain; /* in work, the job's alone, as the next ones: */
	struct balloon_pages pages;
	struct worker_job change; /* of what the guest is asked for */
	struct worker_job ask; /* how it is */
	struct virtq_done asked; /* the buffer for its answer: kept until the next question */
	bool keeps; /* under the lock: there is such a buffer */
	struct balloon_stats stats;
	/* Atomic, for virtio_balloon_look(): */
	uint32_t wanted; /* pages */
	uint32_t held; /* pages, as the driver says */
	struct log_guest misdeeds;
};

static struct virtio_balloon *balloon_of(struct virtio_device *d)
{
	return container_of(d, struct virtio_balloon, device);
}

/* Under the lock. Takes a chain of queue @n. Return: false: there is none. */
static bool chain_take(struct virtio_balloon *b, unsigned n)
{
	struct virtq *q = &b->device.queues[n];
	int r;

	if (!virtio_is_going(&b->device))
		return false;
	virtq_silence(q);
	do
		r = virtq_take(q, &b->chain);
	while (r == 0 && virtq_listen(q));
	if (r < 0)
		virtio_returned(&b->device, n);
	return r > 0;
}

static enum balloon_queue queue_kind(const struct virtio_balloon *b, unsigned n)
{
	const bool has_stats = b->device.accepted & BIT64(VIRTIO_BALLOON_F_STATS_VQ);

	return n < BALLOON_STATS_QUEUE || has_stats ? (enum balloon_queue)n : BALLOON_REPORT;
}

/* Under the lock. Ref: virtio 1.2, 5.5.6.3: the driver fills it anew when it is back. */
static void stats_return(struct virtio_balloon *b)
{
	if (!b->keeps)
		return;
	b->keeps = false;
	virtq_return_together(&b->device.queues[BALLOON_STATS_QUEUE], &b->asked, 1);
	virtio_returned(&b->device, BALLOON_STATS_QUEUE);
}

static void balloon_ask(struct worker_job *j)
{
	struct virtio_balloon *b = container_of(j, struct virtio_balloon, ask);

	lock_take(b->device.lock);
	if (virtio_is_going(&b->device))
		stats_return(b);
	lock_drop(b->device.lock);
}

/* Ref: virtio 1.2, 5.5.6.5: a guest that poisons free pages wants to find them as they were. */
static void chain_serve(struct virtio_balloon *b, unsigned n, enum balloon_queue kind, bool poisons)
{
	const char *fault = NULL;

	if (kind == BALLOON_INFLATE)
		fault = balloon_pages_list(&b->pages, &b->device.queues[n], &b->chain);
	else if (kind == BALLOON_REPORT && !poisons)
		fault = balloon_pages_report(&b->pages, &b->chain);
	else if (kind == BALLOON_STATS_QUEUE)
		fault = balloon_stats_read(&b->stats, &b->device.queues[n], &b->chain);
	if (fault)
		log_guest(&b->misdeeds, b->device.name, "the guest's driver %s", fault);
}

/* Under the lock. */
static void chain_finish(struct virtio_balloon *b, unsigned n)
{
	if (queue_kind(b, n) == BALLOON_STATS_QUEUE) {
		stats_return(b);
		b->asked = virtq_done_of(&b->chain, 0);
		b->keeps = true;
		return;
	}
	virtq_return(&b->device.queues[n], &b->chain, 0);
	virtio_returned(&b->device, n);
}

static void queue_serve(struct virtio_balloon *b, unsigned n)
{
	struct lock *lock = b->device.lock;

	lock_take(lock);
	while (chain_take(b, n)) {
		const bool poisons = b->config.poison_val;
		const enum balloon_queue kind = queue_kind(b, n);
		lock_drop(lock);
		chain_serve(b, n, kind, poisons);
		lock_take(lock);
		chain_finish(b, n);
	}
	lock_drop(lock);
}

static void balloon_serve(struct worker_job *j)
{
	struct virtio_balloon *b = container_of(j, struct virtio_balloon, job);

	for (unsigned n = 0; n < QUEUES; n++)
		queue_serve(b, n);
}

static void balloon_change(struct worker_job *j)
{
	struct virtio_balloon *b = container_of(j, struct virtio_balloon, change);

	lock_take(b->device.lock);
	b->config.num_pages = htole32(__atomic_load_n(&b->wanted, __ATOMIC_RELAXED));
	virtio_config_changed(&b->device);
	lock_drop(b->device.lock);
}

static void balloon_rang(struct virtio_device *d, unsigned n)
{
	struct virtio_balloon *b = balloon_of(d);

	worker_add(&b->worker, &b->job);
}

static void balloon_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	memcpy(to, (const char *)&balloon_of(d)->config + off, len);
}

/* What the guest holds, and how it poisons pages, are the driver's to say. */
static void balloon_config_write(
	struct virtio_device *d, uint32_t off, const void *from, uint32_t len)
{
	struct virtio_balloon *b = balloon_of(d);
	struct virtio_balloon_config c = b->config;

	memcpy((char *)&c + off, from, len);
	b->config.actual = c.actual;
	__atomic_store_n(&b->held, le32toh(c.actual), __ATOMIC_RELAXED);
	b->config.poison_val = c.poison_val;
}

static void balloon_reset(struct virtio_device *d)
{
	struct virtio_balloon *b = balloon_of(d);

	b->config.actual = b->config.poison_val = 0;
	b->keeps = false;
	__atomic_store_n(&b->stats.known, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&b->held, 0, __ATOMIC_RELAXED);
}

static bool balloon_is_drained(struct virtio_device *d, unsigned n)
{
	return worker_is_idle(&balloon_of(d)->worker);
}

/* Has virtio_balloon_set() find @entry: the balloon, or none. */
static void balloon_list(struct vm *vm, struct virtio_balloon *entry)
{
	lock_take(&vm->balloons.lock);
	vm->balloons.balloon = entry;
	lock_drop(&vm->balloons.lock);
}

static void balloon_fini(struct virtio_device *d)
{
	struct virtio_balloon *b = balloon_of(d);

	balloon_list(b->vm, NULL);
	worker_fini(&b->worker);
	free(b);
}

static const struct virtio_ops balloon_ops = {
	.name = "virtio-balloon",
	.type = VIRTIO_TYPE_BALLOON,
	.queue_count = QUEUES,
	.in_order = true,
	.features = BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT64(VIRTIO_BALLOON_F_PAGE_POISON) |
		    BIT64(VIRTIO_BALLOON_F_REPORTING) | BIT64(VIRTIO_BALLOON_F_STATS_VQ),
	.config_size = sizeof(struct virtio_balloon_config),
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.rang = balloon_rang,
	.reset = balloon_reset,
	.is_drained = balloon_is_drained,
	.fini = balloon_fini,
};

int virtio_balloon_add(struct vm *vm, struct err *e)
{
	struct virtio_balloon *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(e, -ENOMEM, "make a virtio-balloon");
	b->vm = vm;
	b->pages.memory = &vm->memory;
	b->job.run = balloon_serve;
	b->change.run = balloon_change;
	b->ask.run = balloon_ask;
	worker_init(&b->worker, "virtio-balloon");
	virtio_init(&b->device, &balloon_ops, vm->name, &vm->memory);
	int r = virtio_pci_init(&b->pci, vm, &b->device, CLASS_OTHER, e);
	if (r >= 0)
		r = pci_plug(vm, &b->pci.endpoint.func, "virtio-balloon", e);
	if (r < 0)
		virtio_pci_fini(&b->pci);
	else
		balloon_list(vm, b);
	return r;
}

int virtio_balloon_set(struct vm *vm, uint64_t keep)
{
	if (keep > vm->memory.ram_size)
		return -ERANGE;
	if (keep < KEEP_MIN)
		return -EINVAL;
	lock_take(&vm->balloons.lock);
	struct virtio_balloon *b = vm->balloons.balloon;
	if (b) {
		const uint64_t pages = (vm->memory.ram_size - keep) >> PAGE_SHIFT;
		__atomic_store_n(&b->wanted, (uint32_t)pages, __ATOMIC_RELAXED);
		worker_add(&b->worker, &b->change);
	}
	lock_drop(&vm->balloons.lock);
	return b ? 0 : -ENODEV;
}

static struct balloon_stats stats_copy(const struct balloon_stats *s)
{
	struct balloon_stats copy = {.known = __atomic_load_n(&s->known, __ATOMIC_ACQUIRE)};

	for (unsigned i = 0; i < BALLOON_STATS; i++)
		copy.values[i] = __atomic_load_n(&s->values[i], __ATOMIC_RELAXED);
	return copy;
}

struct virtio_balloon_figures virtio_balloon_look(struct vm *vm)
{
	struct virtio_balloon_figures f = {0};

	lock_take(&vm->balloons.lock);
	struct virtio_balloon *b = vm->balloons.balloon;
	if (b) {
		f = (struct virtio_balloon_figures){
			.wanted = (uint64_t)__atomic_load_n(&b->wanted, __ATOMIC_RELAXED)
				  << PAGE_SHIFT,
			.held = (uint64_t)__atomic_load_n(&b->held, __ATOMIC_RELAXED) << PAGE_SHIFT,
			.returned = __atomic_load_n(&b->pages.returned, __ATOMIC_RELAXED),
			.guest = stats_copy(&b->stats)};
		worker_add(&b->worker, &b->ask);
	}
	lock_drop(&vm->balloons.lock);
	return f;
}
