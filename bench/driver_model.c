/* SPDX-License-Identifier: MIT */
/*
 * driver_model BATCH COUNT MAPPINGS: reads of 4 KiB on a model whose queues and doorbells are plain
 * memory. For callgrind, which counts what happens inside submit() and reap() alone: the whole path
 * from a buffer to a completion, and nothing of the model.
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

__attribute__((noinline)) static int submit(
	struct nvme_queue *q, uint64_t n, uint64_t end, uint64_t mask)
{
	int r = 0;

	for (; n < end; n++)
		r |= nvme_read(
			q, &bufs[n & mask], 0, n * READ_BLOCKS & (BLOCKS - 1), READ_BLOCKS, n);
	nvme_ring(q);
	return r;
}

__attribute__((noinline)) static int reap(struct nvme_queue *q, unsigned batch)
{
	return nvme_poll(q, done, batch);
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
	struct nvme_queue *q = &nvme.queues[0];
	for (uint64_t n = 0; n < count; n += batch) {
		int bad = submit(q, n, n + batch, mappings - 1);
		model_nvme_run(model);
		if (bad || reap(q, batch) != (int)batch)
			return 1;
		for (unsigned i = 0; i < batch; i++)
			if (done[i].status || done[i].tag != n + i)
				return 1;
	}
	return 0;
}
