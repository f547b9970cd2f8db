/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/rng.h"

#include "base/err.h"
#include "base/num.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"
#include "vmm/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define CLASS_OTHER 0x00ff00 /* no class of its own: what a driver knows it by is the device ID */
#define BYTES_MAX 1024 /* of one answer; a driver that wants more asks again */

struct virtio_rng {
	struct virtio_device device;
	struct virtio_pci pci;
	struct worker worker;
	struct worker_job job;
	struct virtq_chain chain; /* in work, the job's alone */
	uint8_t bytes[BYTES_MAX];
};

WALL_CALL(worker, getrandom);

/* Under the lock. Takes a chain to work on. Return: false: there is none. */
static bool chain_take(struct virtio_rng *g)
{
	struct virtq *q = &g->device.queues[0];
	int r;

	virtq_silence(q);
	do
		r = virtq_take(q, &g->chain);
	while (r == 0 && virtq_listen(q));
	if (r < 0)
		virtio_returned(&g->device, 0);
	return r > 0;
}

/* Under the lock. A chain of before a reset is not written to: its memory is the driver's again. */
static void chain_answer(struct virtio_rng *g, size_t count)
{
	struct virtq *q = &g->device.queues[0];

	if (g->chain.generation != q->generation)
		return;
	if (virtq_write(q, &g->chain, 0, g->bytes, count) < 0)
		count = 0;
	virtq_return(q, &g->chain, (uint32_t)count);
	virtio_returned(&g->device, 0);
}

/* The kernel's generator blocks early in the host's boot: so this is a worker's. */
static void rng_serve(struct worker_job *j)
{
	struct virtio_rng *g = container_of(j, struct virtio_rng, job);
	struct lock *lock = g->device.lock;
	bool more;

	lock_take(lock);
	while ((more = chain_take(g))) {
		lock_drop(lock);
		const ssize_t count =
			getrandom(g->bytes, (size_t)min_u64(g->chain.in_size, BYTES_MAX), 0);
		lock_take(lock);
		chain_answer(g, count > 0 ? (size_t)count : 0);
	}
	lock_drop(lock);
}

static void rng_rang(struct virtio_device *d, unsigned n)
{
	struct virtio_rng *g = container_of(d, struct virtio_rng, device);

	worker_add(&g->worker, &g->job);
}

static bool rng_is_drained(struct virtio_device *d, unsigned n)
{
	return worker_is_idle(&container_of(d, struct virtio_rng, device)->worker);
}

static void rng_fini(struct virtio_device *d)
{
	struct virtio_rng *g = container_of(d, struct virtio_rng, device);

	worker_fini(&g->worker);
	free(g);
}

static const struct virtio_ops rng_ops = {
	.name = "virtio-rng",
	.type = VIRTIO_TYPE_RNG,
	.queue_count = 1,
	.in_order = true,
	.rang = rng_rang,
	.is_drained = rng_is_drained,
	.fini = rng_fini,
};

int virtio_rng_add(struct vm *vm, struct err *e)
{
	struct virtio_rng *g = calloc(1, sizeof(*g));

	if (!g)
		return err_set(e, -ENOMEM, "make a virtio-rng");
	g->job.run = rng_serve;
	worker_init(&g->worker, "virtio-rng");
	virtio_init(&g->device, &rng_ops, vm->name, &vm->memory);
	int r = virtio_pci_init(&g->pci, vm, &g->device, CLASS_OTHER, e);
	if (r >= 0)
		r = pci_plug(vm, &g->pci.endpoint.func, "virtio-rng", e);
	if (r < 0)
		virtio_pci_fini(&g->pci);
	return r;
}
