/* SPDX-License-Identifier: MIT */
/*
 * driver_model BATCH COUNT MAPPINGS: reads of 4 KiB on a model whose queues and doorbells are plain
 * memory. For callgrind, which counts what happens inside read_path() and not in model_turn(): the
 * whole way from a buffer to its completion, bounds, tag and deadline checks and the loop around
 * them included, and nothing of the model.
 */
#include "base/num.h"
#include "driver/nvme.h"
#include "model/nvme.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <usher/err.h>

#define BLOCKS 65536u
#define READ_BLOCKS 8u
#define BATCH_MAX 64

static struct usher_device *dev;
static struct model_nvme *model;
static struct nvme nvme;
static struct usher_err e;
static int running = 1;

static struct usher_buffer bufs[256];
static struct nvme_done done[BATCH_MAX];

/* The controller's turn; before it, what the last turn gave is looked at: @n reads from @first. */
__attribute__((noinline)) static int model_turn(uint64_t first, unsigned n)
{
	int bad = 0;

	for (unsigned i = 0; i < n; i++)
		bad |= done[i].status || done[i].tag != first + i;
	model_nvme_run(model);
	return bad;
}

__attribute__((noinline)) static int read_path(
	struct nvme_queue *q, uint64_t count, unsigned batch, uint64_t mask)
{
	unsigned got = 0;
	int bad = 0;

	for (uint64_t n = 0; n < count;) {
		uint64_t first = n - got;
		for (uint64_t end = n + batch; n < end; n++)
			bad |= nvme_read(q, &bufs[n & mask], 0, n * READ_BLOCKS & (BLOCKS - 1),
				READ_BLOCKS, n);
		nvme_ring(q);
		bad |= model_turn(first, got);
		got = (unsigned)nvme_poll(q, done, batch);
		if (bad || got != batch)
			return -1;
	}
	return model_turn(count - got, got);
}

static void *run_device(void *arg)
{
	while (__atomic_load_n(&running, __ATOMIC_RELAXED))
		model_nvme_run(arg);
	return NULL;
}

static int open_all(unsigned count)
{
	pthread_t device;
	int r = usher_device_open("model:nvme-mapped,blocks=65536", NULL, &dev, &e);

	if (r < 0)
		return r;
	model = usher_model_state(usher_model_of(dev));
	if (pthread_create(&device, NULL, run_device, model))
		return -1;
	r = nvme_open(dev, NULL, &nvme, &e);
	__atomic_store_n(&running, 0, __ATOMIC_RELAXED);
	(void)pthread_join(device, NULL);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = usher_buffer_alloc(usher_device_space(dev), READ_BLOCKS * 512, 0, &bufs[i], &e);
	return r;
}

int main(int argc, char **argv)
{
	unsigned batch = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000;
	unsigned mappings = argc > 3 ? (unsigned)atoi(argv[3]) : 1;

	if (!batch || batch > 32 || !is_pow2(mappings) || mappings > COUNT(bufs) ||
		open_all(mappings) < 0) {
		(void)fprintf(stderr, "driver_model: %s\n", e.msg);
		return 1;
	}
	return read_path(&nvme.queues[0], count, batch, mappings - 1) != 0;
}
