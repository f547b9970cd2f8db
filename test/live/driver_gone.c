/* SPDX-License-Identifier: MIT */
/*
 * driver_gone ADDRESS|inherit [stay]: reads from an NVMe disk without an end. When the host wants
 * the device back, the program drains the queue and closes everything. With "stay" it ignores the
 * request: the device disappears during the reads, which must end in order, too. Then the program
 * waits for a line on its input, because the kernel needs more than a minute to close such a
 * device.
 */
#include "driver/nvme.h"
#include "facts.h"

#include <errno.h>
#include <string.h>
#include <usher/irq.h>

#define DEPTH 32
#define READ_SIZE 4096u

static struct nvme nvme;
static struct nvme_queue *q = &nvme.queues[0];
static struct usher_buffer buf;
static uint64_t sent, done_count;

/* Fills the queue and takes completions. Return: how many, < 0. */
static int turn(void)
{
	struct nvme_done done[DEPTH];
	uint32_t blocks = READ_SIZE >> nvme.block_shift;
	int r;

	do {
		r = nvme_read(q, &buf, sent % DEPTH * READ_SIZE, sent % 512 * blocks, blocks, sent);
		sent += r == 0;
	} while (r == 0);
	if (r != -EAGAIN)
		return r;
	nvme_ring(q);
	int n = nvme_poll(q, done, DEPTH);
	/* A failed command during the removal proves nothing; the next round does. */
	for (int i = 0; i < n; i++)
		if (done[i].status && usher_window_ones(&nvme.registers) == 0)
			return -EIO;
	done_count += n > 0 ? (uint64_t)n : 0;
	return n;
}

static int read_on(struct usher_device *dev, int stay)
{
	int r = 0, told = 0;

	while (r >= 0) {
		r = turn();
		if (r >= 0 && !told && done_count > 1000) {
			told = 1;
			fact(1, "reads go on");
		}
		if (!stay && usher_irq_wait(dev, USHER_REQ, 0, 0) >= 1)
			return 0;
	}
	return r;
}

int main(int argc, char **argv)
{
	const struct nvme_options o = {.depth = DEPTH, .timeout_ms = 2000};
	const int stay = argc > 2;

	if (argc < 2)
		return 2;
	struct usher_device *dev = NULL;
	if (strcmp(argv[1], "inherit") == 0)
		fact(usher_device_inherit(NULL, NULL, &dev, &e) == 0, "the device is inherited");
	else
		dev = open_device(argv[1], NULL);
	fact(nvme_open(dev, &o, &nvme, &e) == 0, "the driver starts");
	fact(usher_buffer_alloc(usher_device_space(dev), DEPTH * READ_SIZE, 0, &buf, &e) == 0 &&
			usher_irq_on(dev, USHER_REQ, 1, &e) == 0,
		"REQ is watched");
	int r = failed ? -EIO : read_on(dev, stay);
	if (stay) {
		fact(r == -ENODEV, "reads end with ENODEV");
		fact(nvme_recover(&nvme, &e) == -ENODEV, "and nothing brings it back");
		e.msg[0] = '\0';
		fact(usher_device_gone(dev), "the device has gone");
		(void)getchar();
	} else {
		fact(r == 0 && nvme_drain(q, &e) == 0 && nvme_inflight(q) == 0,
			"asked for, all reads come to their end");
	}
	nvme_close(&nvme);
	usher_buffer_free(&buf);
	usher_device_close(dev);
	fact(1, "closed in order");
	return failed;
}
