/* SPDX-License-Identifier: MIT */
/* usher exec --device 0000:01:00.0 -- nvme-read FIRST COUNT > blocks */
#include "base/err.h"
#include "driver/nvme.h"

#include <stdio.h>
#include <stdlib.h>

/* @count blocks from @first on to standard output, at most what one command carries at a time. */
static int read_blocks(struct nvme *nvme, uint64_t first, uint64_t count, struct err *e)
{
	struct dma_buf buf;
	struct nvme_queue *q = &nvme->queues[0];

	int r = dma_buf_new(
		nvme->at, (uint64_t)nvme->max_blocks << nvme->block_shift, UINT64_MAX, &buf, e);
	while (r == 0 && count) {
		uint32_t n = count < nvme->max_blocks ? (uint32_t)count : nvme->max_blocks;
		r = nvme_read(q, &buf, 0, first, n, first);
		if (r < 0)
			return err_set(
				e, r, "read %u blocks at %llu", n, (unsigned long long)first);
		r = nvme_drain(q, e);
		if (r == 0)
			(void)fwrite(buf.mem, (size_t)n << nvme->block_shift, 1, stdout);
		first += n;
		count -= n;
	}
	return r;
}

int main(int argc, char **argv)
{
	struct attachment at;
	struct nvme nvme = {0};
	struct err e = {0};

	if (argc != 3)
		return 2;
	int r = attach_inherit(NULL, &at, &e);
	if (r == 0)
		r = nvme_open(&at, NULL, &nvme, &e);
	if (r == 0)
		r = read_blocks(&nvme, strtoull(argv[1], NULL, 0), strtoull(argv[2], NULL, 0), &e);
	if (r < 0)
		(void)fprintf(stderr, "nvme-read: %s\n%s\n", e.msg, e.hint);
	nvme_close(&nvme);
	attach_close(&at);
	return r < 0;
}
