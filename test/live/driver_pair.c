/* SPDX-License-Identifier: MIT */
/*
 * driver_pair EDU DISK: two devices of two groups that `usher exec` handed over, in one space, with
 * one buffer for both: edu copies into it, and the disk reads from it.
 *
 * driver_pair EDU DISK apart: the same two, each opened without a space.
 */
#include "driver/edu.h"
#include "driver/nvme.h"
#include "facts.h"
#include "regs/edu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define PLACE 64 /* block */

static struct edu edu;
static struct nvme nvme;

/* The device copies its memory into the buffer at @iova. */
static int edu_fill(usher_iova_t iova, uint32_t len)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint32_t command = EDU_DMA_RUN;

	(void)usher_write32(&edu.bar, EDU_DMA_SOURCE, EDU_MEMORY);
	(void)usher_write32(&edu.bar, EDU_DMA_TARGET, (uint32_t)iova.v);
	(void)usher_write32(&edu.bar, EDU_DMA_COUNT, len);
	(void)usher_write32(&edu.bar, EDU_DMA_COMMAND, EDU_DMA_RUN | EDU_DMA_FROM_DEVICE);
	for (unsigned i = 0; i < 10000 && command & EDU_DMA_RUN; i++) {
		(void)nanosleep(&pause, NULL);
		(void)usher_read32(&edu.bar, EDU_DMA_COMMAND, &command);
	}
	return command & EDU_DMA_RUN ? -1 : 0;
}

static int through_disk(const struct usher_buffer *b, uint64_t from, uint64_t to)
{
	struct nvme_queue *q = &nvme.queues[0];
	uint32_t blocks = EDU_MEMORY_SIZE >> nvme.block_shift;

	return nvme_write(q, b, from, PLACE, blocks, 1) || nvme_drain(q, &e) ||
	       nvme_read(q, b, to, PLACE, blocks, 2) || nvme_drain(q, &e);
}

static void both(struct usher_space *s)
{
	struct usher_buffer b = USHER_BUFFER_NONE;
	struct nvme_queue *q = &nvme.queues[0];
	uint32_t blocks = EDU_MEMORY_SIZE >> nvme.block_shift;
	uint8_t out[EDU_MEMORY_USABLE], *mem;

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 11 + (i >> 8) + 1);
	fact(usher_buffer_alloc(s, 3 * EDU_MEMORY_SIZE, 0, &b, &e) == 0, "a buffer for both");
	mem = b.host;
	fact(nvme_read(q, &b, 2 * EDU_MEMORY_SIZE, PLACE, blocks, 0) == 0 && nvme_drain(q, &e) == 0,
		"what is on the disk");
	fact(edu_write(&edu, 0, out, sizeof(out), &e) == 0, "edu is given data");
	fact(edu_fill(b.iova, sizeof(out)) == 0 && memcmp(mem, out, sizeof(out)) == 0,
		"edu writes them into the buffer");
	fact(through_disk(&b, 0, EDU_MEMORY_SIZE) == 0 &&
			memcmp(mem + EDU_MEMORY_SIZE, out, sizeof(out)) == 0,
		"the disk takes them from there, and gives them back");
	fact(nvme_write(q, &b, 2 * EDU_MEMORY_SIZE, PLACE, blocks, 0) == 0 &&
			nvme_drain(q, &e) == 0,
		"the disk is as before");
	usher_buffer_free(&b);
}

/* A program that this one executes inherits its three standard descriptors only. */
static bool all_closed_on_exec(void)
{
	for (int fd = 3; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			return false;
	}
	return true;
}

/* They share a space because they came with the same container. */
static int apart(char **argv)
{
	struct usher_device *first = NULL, *second = NULL, *again = NULL;
	struct usher_buffer a = USHER_BUFFER_NONE, b = USHER_BUFFER_NONE;
	struct usher_space *other = NULL;
	uint32_t blocks;

	fact(usher_device_inherit(argv[1], NULL, &first, &e) == 0, "the first device");
	fact(!failed && usher_space_new(NULL, &other, &e) == 0 &&
			usher_device_inherit(argv[2], other, &second, &e) == -EBUSY,
		"the second cannot go into another space");
	fact(!failed && usher_device_inherit(argv[1], NULL, &again, &e) == -EBUSY,
		"the first does not open twice");
	fact(usher_device_inherit(argv[2], NULL, &second, &e) == 0, "the second");
	if (failed)
		return 1;
	fact(usher_device_space(first) == usher_device_space(second), "they have one space");
	fact(all_closed_on_exec(), "what it executes gets no descriptor");
	fact(usher_buffer_alloc(usher_device_space(first), 65536, 0, &a, &e) == 0 &&
			usher_buffer_alloc(usher_device_space(second), 65536, 0, &b, &e) == 0 &&
			a.iova.v != b.iova.v,
		"a buffer for each");
	fact(nvme_open(second, NULL, &nvme, &e) == 0, "the disk's driver starts");
	usher_device_close(first);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (failed)
		return 1;
	blocks = 4096u >> nvme.block_shift;
	fact(nvme_read(&nvme.queues[0], &b, 0, PLACE, blocks, 0) == 0 &&
			nvme_drain(&nvme.queues[0], &e) == 0,
		"the second works without the first");
	usher_buffer_free(&a);
	usher_buffer_free(&b);
	nvme_close(&nvme);
	usher_device_close(second);
	usher_space_free(other);
	fact(fcntl(file, F_GETFD) >= 0, "nothing was closed twice");
	return failed;
}

int main(int argc, char **argv)
{
	struct usher_device *first = NULL, *second = NULL;
	struct usher_space *s = NULL;

	if (argc == 4 && strcmp(argv[3], "apart") == 0)
		return apart(argv);
	if (argc != 3 || usher_space_new(NULL, &s, &e) < 0)
		return 2;
	fact(usher_device_inherit(argv[1], s, &first, &e) == 0, "the first device");
	fact(usher_device_inherit(argv[2], s, &second, &e) == 0, "the second, in the same space");
	fact(!failed && edu_open(first, EDU_POLLED, &edu, &e) == 0, "edu's driver starts");
	fact(!failed && nvme_open(second, NULL, &nvme, &e) == 0, "the disk's driver starts");
	if (!failed)
		both(s);
	nvme_close(&nvme);
	edu_close(&edu);
	usher_device_close(second);
	usher_device_close(first);
	usher_space_free(s);
	fact(1, "closed in order");
	return failed;
}
