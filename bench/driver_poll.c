/* SPDX-License-Identifier: MIT */
/*
 * driver_poll DEPTH SECONDS: random reads of 4 KiB by the userspace driver, polled. With "count"
 * for SECONDS: how many system calls 4096 of them take.
 */
#include "calls.h"
#include "clock.h"
#include "driver/nvme.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/err.h>

#define READ_SIZE 4096u
#define DEPTH_MAX 63
#define COUNTED 4096

static struct usher_device *dev;
static struct nvme nvme;
static struct usher_buffer buf;
static struct usher_err e;

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

/*
 * What is to be sent next, and cannot as long as a slow command holds the next place of the ring.
 */
static struct {
	uint16_t tags[DEPTH_MAX];
	unsigned count;
} idle;

static int send_idle(struct nvme_queue *q)
{
	while (idle.count) {
		int r = send_one(q, idle.tags[idle.count - 1]);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		idle.count--;
	}
	return 0;
}

static int take_done(struct nvme_queue *q, unsigned depth)
{
	struct nvme_done done[DEPTH_MAX];
	int n = nvme_poll(q, done, depth);

	for (int i = 0; i < n; i++) {
		if (done[i].status)
			return -EIO;
		idle.tags[idle.count++] = (uint16_t)done[i].tag;
	}
	return n;
}

/* Until @end, or @most are done. Return: how many, -errno. */
static int64_t loop(unsigned depth, double end, int64_t most)
{
	struct nvme_queue *q = &nvme.queues[0];
	int64_t total = 0, looked = 0;

	for (idle.count = 0; idle.count < depth; idle.count++)
		idle.tags[idle.count] = (uint16_t)idle.count;
	while (total < most) {
		int r = send_idle(q);
		if (r < 0)
			return r;
		nvme_ring(q);
		do
			r = take_done(q, depth);
		while (!r);
		if (r < 0)
			return r;
		total += r;
		/* The clock is looked at now and then: it may be a system call. */
		if (end <= 0 || total - looked < 64)
			continue;
		looked = total;
		if (clock_now() > end)
			break;
	}
	int r = nvme_drain(q, &e);
	return r < 0 ? r : total;
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

static int open_disk(void)
{
	int r = usher_device_inherit(NULL, NULL, &dev, &e);

	if (r < 0)
		return r;
	r = nvme_open(dev, NULL, &nvme, &e);
	if (r < 0)
		return r;
	return usher_buffer_alloc(
		usher_device_space(dev), (uint64_t)DEPTH_MAX * READ_SIZE, 0, &buf, &e);
}

int main(int argc, char **argv)
{
	unsigned depth = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	int r = open_disk();
	if (r < 0 || !depth || depth > DEPTH_MAX || argc < 3) {
		(void)fprintf(stderr, "driver_poll: %s\n", e.msg);
		return 1;
	}
	if (strcmp(argv[2], "count") == 0) {
		r = counted(depth);
	} else {
		double begun = clock_now();
		int64_t n = loop(depth, begun + atof(argv[2]), INT64_MAX);
		if (n < 0)
			(void)fprintf(stderr, "driver_poll: %s\n", strerror((int)-n));
		else
			(void)printf("iops %.0f\n", (double)n / (clock_now() - begun));
		r = n < 0;
	}
	nvme_close(&nvme);
	usher_device_close(dev);
	return r;
}
