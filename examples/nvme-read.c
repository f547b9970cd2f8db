/* SPDX-License-Identifier: MIT */
/* nvme-read FIRST COUNT: writes blocks of a disk to standard output, read by queues of our own. */
#include "driver/nvme.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <usher/err.h>

static int copy_blocks(struct nvme *nvme, const struct usher_buffer *buf, uint64_t first,
	uint32_t count, struct usher_err *e)
{
	int r = nvme_read(&nvme->queues[0], buf, 0, first, count, first);

	if (r < 0) {
		(void)snprintf(e->msg, sizeof(e->msg), "no block %" PRIu64 " of %" PRIu64,
			first + count - 1, nvme->blocks);
		return r;
	}
	r = nvme_drain(&nvme->queues[0], e);
	if (r < 0)
		return r;
	return fwrite(buf->host, (size_t)count << nvme->block_shift, 1, stdout) == 1 ? 0 : -1;
}

static int read_blocks(struct nvme *nvme, uint64_t first, uint64_t count, struct usher_err *e)
{
	const uint64_t most = nvme->max_blocks;
	struct usher_buffer buf;
	int r = usher_buffer_alloc(
		usher_device_space(nvme->dev), most << nvme->block_shift, 0, &buf, e);

	if (r < 0)
		return r;
	for (uint64_t done = 0; done < count && r >= 0; done += most) {
		uint64_t left = count - done;
		r = copy_blocks(nvme, &buf, first + done, (uint32_t)(left < most ? left : most), e);
	}
	usher_buffer_free(&buf);
	return r;
}

int main(int argc, char **argv)
{
	struct usher_device *dev = NULL;
	struct nvme nvme = {0};
	struct usher_err e = {0};
	int r = -1;

	if (argc != 3)
		return 2;
	if (usher_device_inherit(NULL, NULL, &dev, &e) >= 0 && nvme_open(dev, NULL, &nvme, &e) >= 0)
		r = read_blocks(&nvme, strtoull(argv[1], NULL, 0), strtoull(argv[2], NULL, 0), &e);
	if (r < 0)
		(void)fprintf(stderr, "nvme-read: %s\n%s\n", e.msg, e.hint);
	nvme_close(&nvme);
	usher_device_close(dev);
	return r < 0;
}
