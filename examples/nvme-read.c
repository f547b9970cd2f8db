/* SPDX-License-Identifier: MIT */
/* nvme-read FIRST COUNT: blocks of a disk on standard output, through queues of our own. */
#include "driver/nvme.h"

#include <stdio.h>
#include <stdlib.h>
#include <usher/err.h>

/* At most what one command carries at a time. */
static int read_blocks(struct nvme *nvme, uint64_t first, uint64_t count, struct usher_err *e)
{
	struct usher_space *space = usher_device_space(nvme->dev);
	struct nvme_queue *q = &nvme->queues[0];
	struct usher_buffer buf;
	int r = usher_buffer_alloc(
		space, (uint64_t)nvme->max_blocks << nvme->block_shift, 0, &buf, e);

	while (r == 0 && count) {
		uint32_t n = count < nvme->max_blocks ? (uint32_t)count : nvme->max_blocks;
		r = nvme_read(q, &buf, 0, first, n, first);
		if (r < 0)
			(void)snprintf(e->msg, sizeof(e->msg), "no block %llu of %llu",
				(unsigned long long)first + n - 1,
				(unsigned long long)nvme->blocks);
		if (r == 0)
			r = nvme_drain(q, e);
		if (r == 0 && fwrite(buf.host, (size_t)n << nvme->block_shift, 1, stdout) != 1)
			r = -1;
		first += n;
		count -= n;
	}
	return r; /* the buffer goes with the device */
}

int main(int argc, char **argv)
{
	struct usher_device *dev = NULL;
	struct nvme nvme = {0};
	struct usher_err e = {0};

	if (argc != 3)
		return 2;
	int r = usher_device_inherit(NULL, NULL, &dev, &e);
	if (r == 0)
		r = nvme_open(dev, NULL, &nvme, &e);
	if (r == 0)
		r = read_blocks(&nvme, strtoull(argv[1], NULL, 0), strtoull(argv[2], NULL, 0), &e);
	if (r < 0)
		(void)fprintf(stderr, "nvme-read: %s\n%s\n", e.msg, e.hint);
	nvme_close(&nvme);
	usher_device_close(dev);
	return r < 0;
}
