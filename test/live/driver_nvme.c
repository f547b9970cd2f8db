/* SPDX-License-Identifier: MIT */
/*
 * driver_nvme FILE: FILE holds the first blocks of the disk as the kernel's driver read them. Reads
 * at random places are compared with it; random writes go to the disk and into FILE, so that the
 * kernel's driver can compare afterwards.
 */
#include "driver/nvme.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <usher/err.h>

#define ROUNDS 600
#define BLOCKS_MAX 64 /* 32 KiB: a list of pages */
#define BATCH 16
#define SIZE (8u << 20)
#define LAPS_READS 5000 /* more than two rounds of the longest completion ring */

static struct usher_err e;
static uint8_t *disk; /* FILE */

static int fault(const char *what)
{
	(void)printf("%s: %s\n", what, e.msg);
	if (e.hint[0])
		(void)printf("hint: %s\n", e.hint);
	return 1;
}

struct order {
	uint64_t lba, off;
	uint32_t count;
	int writes;
};

static void draw(const struct nvme *n, struct order *o, unsigned place, int writes)
{
	o->count = 1 + (uint32_t)random() % (BLOCKS_MAX - 8);
	o->lba = (uint64_t)random() % ((SIZE >> n->block_shift) - o->count);
	/* Not aligned to a page: two pages, or a list that begins inside a page. */
	o->off = (uint64_t)place * BLOCKS_MAX * 512 + (uint64_t)(random() % 4) * 512;
	o->writes = writes;
}

static int batch(struct nvme *n, struct usher_buffer *buf, int writes)
{
	struct nvme_queue *q = &n->queues[n->queue_count - 1];
	struct order o[BATCH];
	uint8_t *mem = buf->host;

	for (unsigned i = 0; i < BATCH; i++) {
		/* Writes that overlap each other have no order: only one at a time. */
		draw(n, &o[i], i, writes && i == 0);
		uint64_t len = (uint64_t)o[i].count << n->block_shift;
		uint8_t *at = disk + (o[i].lba << n->block_shift);
		if (o[i].writes) {
			for (uint64_t k = 0; k < len; k++)
				mem[o[i].off + k] = (uint8_t)random();
			memcpy(at, mem + o[i].off, len);
			if (nvme_write(q, buf, o[i].off, o[i].lba, o[i].count, i) < 0 ||
				nvme_drain(q, &e) < 0)
				return fault("write");
		} else if (nvme_read(q, buf, o[i].off, o[i].lba, o[i].count, i) < 0) {
			return fault("read");
		}
	}
	if (nvme_drain(q, &e) < 0)
		return fault("drain");
	for (unsigned i = 0; i < BATCH; i++)
		if (memcmp(mem + o[i].off, disk + (o[i].lba << n->block_shift),
			    (size_t)o[i].count << n->block_shift))
			return fault("the data differ");
	return 0;
}

/* More than one round: without its completion doorbell the controller stops answering. */
static int laps(struct nvme *n, struct usher_buffer *buf)
{
	struct nvme_queue *q = &n->queues[n->queue_count - 1];
	uint32_t blocks = SIZE >> n->block_shift;

	for (uint32_t i = 0; i < LAPS_READS; i++)
		if (nvme_read(q, buf, 0, i % blocks, 1, i) < 0 || nvme_drain(q, &e) < 0)
			return fault("laps");
	return 0;
}

static int one_way(struct usher_device *dev, const struct nvme_options *options, const char *name)
{
	struct nvme n;
	struct usher_buffer buf = USHER_BUFFER_NONE;
	int bad = 0;

	if (nvme_open(dev, options, &n, &e) < 0)
		bad = fault("open");
	if (!bad && usher_buffer_alloc(
			    usher_device_space(dev), BATCH * BLOCKS_MAX * 512, 0, &buf, &e) < 0)
		bad = fault("buffer");
	for (unsigned i = 0; !bad && i < ROUNDS / BATCH; i++) {
		bad = batch(&n, &buf, (int)(i & 1));
		if (!bad && i == 10 && nvme_recover(&n, &e) < 0)
			bad = fault("recover");
	}
	bad = bad || laps(&n, &buf);
	if (!bad && (nvme_flush(&n.queues[0], 0) < 0 || nvme_drain(&n.queues[0], &e) < 0))
		bad = fault("flush");
	(void)printf("nvme, %s%s: %s\n", name, n.bells.host ? " with shadow doorbells" : "",
		bad ? "FAILED" : "ok");
	nvme_close(&n);
	usher_buffer_free(&buf);
	return bad;
}

int main(int argc, char **argv)
{
	const struct nvme_options polled = {0}, sleeping = {.interrupts = true, .queues = 2},
				  plain = {.no_shadow = true, .depth = 32},
				  many = {.queues = NVME_QUEUES_MAX}, deep = {.depth = 4096};
	struct usher_device *dev;

	int fd = argc > 1 ? open(argv[1], O_RDWR) : -1;
	disk = fd < 0 ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (disk == MAP_FAILED)
		return fault("the file");
	if (usher_device_inherit(NULL, NULL, &dev, &e) < 0)
		return fault("inherit");
	srandom((unsigned)getpid());
	int bad = one_way(dev, &polled, "polled") || one_way(dev, &sleeping, "by interrupts") ||
		  one_way(dev, &plain, "plain doorbells") ||
		  one_way(dev, &many, "sixteen queues") || one_way(dev, &deep, "the deepest queue");
	usher_device_close(dev);
	return bad;
}
