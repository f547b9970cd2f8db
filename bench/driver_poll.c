/* SPDX-License-Identifier: MIT */
/*
 * driver_poll DEPTH SECONDS: random reads of 4 KiB by the userspace driver, polled. With "count"
 * for SECONDS: how many system calls 4096 of them take.
 */
#include "driver/nvme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <usher/err.h>

#include "calls.h"

#define READ_SIZE 4096u
#define DEPTH_MAX 63
#define COUNTED 4096

static struct usher_device *dev;
static struct nvme nvme;
static struct usher_buffer buf;
static struct usher_err e;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t place(void)
{
	static uint64_t x = 88172645463325252;
	uint32_t blocks = READ_SIZE >> nvme.block_shift;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % (nvme.blocks / blocks) * blocks;
}

static int send_one(struct nvme_queue *q, uint64_t tag)
{
	return nvme_read(q, &buf, tag * READ_SIZE, place(), READ_SIZE >> nvme.block_shift, tag);
}

/* Until @end, or @most are done. Return: how many, < 0. */
static int64_t loop(unsigned depth, double end, int64_t most)
{
	struct nvme_queue *q = &nvme.queues[0];
	struct nvme_done done[DEPTH_MAX];
	int64_t total = 0;
	int r = 0;

	for (unsigned i = 0; i < depth; i++)
		r |= send_one(q, i);
	nvme_ring(q);
	while (r == 0 && total < most) {
		int n = nvme_poll(q, done, depth);
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++)
			r |= done[i].status | send_one(q, done[i].tag);
		if (!n)
			continue;
		nvme_ring(q);
		/* The clock is looked at now and then: it may be a system call. */
		total += n;
		if (end > 0 && !(total & 63) && now() > end)
			break;
	}
	if (nvme_drain(q, &e) < 0)
		return -1;
	return r ? -1 : total;
}

static int count_some(void *depth)
{
	return loop(*(unsigned *)depth, 0, COUNTED) < 0 ? -1 : 0;
}

static int counted(unsigned depth)
{
	long calls = calls_of(count_some, &depth, CALLS_ALL);

	(void)printf("calls %ld of %d\n", calls, COUNTED);
	return calls < 0;
}

int main(int argc, char **argv)
{
	unsigned depth = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	int r = usher_device_inherit(NULL, NULL, &dev, &e);
	if (r == 0)
		r = nvme_open(dev, NULL, &nvme, &e);
	if (r == 0)
		r = usher_buffer_alloc(
			usher_device_space(dev), (uint64_t)DEPTH_MAX * READ_SIZE, 0, &buf, &e);
	if (r < 0 || !depth || depth > DEPTH_MAX || argc < 3) {
		(void)fprintf(stderr, "driver_poll: %s\n", e.msg);
		return 1;
	}
	if (!strcmp(argv[2], "count")) {
		r = counted(depth);
	} else {
		double begun = now();
		int64_t n = loop(depth, begun + atof(argv[2]), INT64_MAX);
		(void)printf("iops %.0f\n", (double)n / (now() - begun));
		r = n < 0;
	}
	nvme_close(&nvme);
	usher_device_close(dev);
	return r;
}
