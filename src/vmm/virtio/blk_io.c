/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk_io.h"

#include "base/num.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOUNCE_SIZE KIB(128)
#define MEMORY_ALIGN 4096 /* enough for each disk */

bool blk_io_is_aligned(const struct blk_spec *disk, const struct blk_request *r)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < r->iov_count; i++)
		all |= (uintptr_t)r->iov[i].iov_base | r->iov[i].iov_len;
	return !disk->direct || !(all & (disk->logical - 1));
}

/* Leaves out the first @done bytes. */
static void iov_advance(struct iovec **iov, unsigned *count, size_t done)
{
	for (; *count && done >= (*iov)->iov_len; (*iov)++, (*count)--)
		done -= (*iov)->iov_len;
	if (!*count)
		return;
	(*iov)->iov_base = (char *)(*iov)->iov_base + done;
	(*iov)->iov_len -= done;
}

WALL_CALL(worker, preadv);
WALL_CALL(worker, pwritev2);

static ssize_t vector_move(
	int fd, const struct blk_request *r, const struct iovec *iov, unsigned count, uint64_t off)
{
	const int flags = r->durable ? RWF_DSYNC : 0;

	return r->op == BLK_READ ? preadv(fd, iov, (int)count, (off_t)off)
				 : pwritev2(fd, iov, (int)count, (off_t)off, flags);
}

/* The kernel may do a part of it. Return: 0, -errno. */
static int bytes_move(
	int fd, struct blk_request *r, struct iovec *iov, unsigned count, uint64_t off)
{
	while (count) {
		ssize_t done = vector_move(fd, r, iov, count, off);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			return -EIO; /* the image is shorter than it was */
		off += (uint64_t)done;
		iov_advance(&iov, &count, (size_t)done);
	}
	return 0;
}

/* Copies between a buffer and the vector, from its first byte that is left. */
static void bounce_copy(struct iovec **iov, unsigned *count, char *bytes, size_t size, bool out)
{
	for (size_t done = 0; done < size;) {
		const size_t step = (size_t)min_u64(size - done, (*iov)->iov_len);
		if (out)
			memcpy(bytes + done, (*iov)->iov_base, step);
		else
			memcpy((*iov)->iov_base, bytes + done, step);
		done += step;
		iov_advance(iov, count, step);
	}
}

/* Through a buffer that is aligned. Bytes come and go unseen, so no check is made of them. */
static int bounce_move(int fd, struct blk_request *r, char *buffer)
{
	struct iovec *iov = r->iov;
	unsigned count = r->iov_count;

	for (uint64_t done = 0; done < r->len;) {
		const size_t step = (size_t)min_u64(r->len - done, BOUNCE_SIZE);
		struct iovec one = {buffer, step};
		if (r->op == BLK_WRITE)
			bounce_copy(&iov, &count, buffer, step, true);
		int x = bytes_move(fd, r, &one, 1, r->off + done);
		if (x < 0)
			return x;
		if (r->op == BLK_READ)
			bounce_copy(&iov, &count, buffer, step, false);
		done += step;
	}
	return 0;
}

static int data_move(int fd, const struct blk_spec *disk, struct blk_request *r)
{
	void *buffer = NULL;

	if (blk_io_is_aligned(disk, r))
		return bytes_move(fd, r, r->iov, r->iov_count, r->off);
	if (posix_memalign(&buffer, MEMORY_ALIGN, BOUNCE_SIZE))
		return -ENOMEM;
	int x = bounce_move(fd, r, buffer);
	free(buffer);
	return x;
}

WALL_CALL(worker, fallocate);

static int range_punch(int fd, const struct blk_range *g, int mode)
{
	int r;

	do
		r = fallocate(fd, mode, (off_t)g->off, (off_t)g->len) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r;
}

/* What a file system or a disk cannot zero by itself is written. */
static int range_write(int fd, const struct blk_range *g)
{
	struct blk_request w = {.op = BLK_WRITE};
	void *zeroes = NULL;
	int r = 0;

	if (posix_memalign(&zeroes, MEMORY_ALIGN, BOUNCE_SIZE))
		return -ENOMEM;
	memset(zeroes, 0, BOUNCE_SIZE);
	for (uint64_t done = 0, step; done < g->len && r == 0; done += step) {
		step = min_u64(g->len - done, BOUNCE_SIZE);
		struct iovec one = {zeroes, (size_t)step};
		r = bytes_move(fd, &w, &one, 1, g->off + done);
	}
	free(zeroes);
	return r;
}

static int range_zero(int fd, const struct blk_range *g)
{
	int r = -EOPNOTSUPP;

	if (!g->len)
		return 0;
	if (g->unmap)
		r = range_punch(fd, g, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	if (r == -EOPNOTSUPP)
		r = range_punch(fd, g, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	return r == -EOPNOTSUPP ? range_write(fd, g) : r;
}

/* A discard is advice: where nothing can be given back, the content stays. */
static int range_discard(int fd, const struct blk_range *g)
{
	if (!g->len)
		return 0;
	int r = range_punch(fd, g, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	return r == -EOPNOTSUPP ? 0 : r;
}

WALL_CALL(worker, fdatasync);

static int ranges_apply(int fd, const struct blk_request *q)
{
	int r = 0;

	for (unsigned i = 0; i < q->range_count && r == 0; i++)
		r = q->op == BLK_ZEROES ? range_zero(fd, &q->ranges[i])
					: range_discard(fd, &q->ranges[i]);
	return r < 0 || !q->durable ? r : fdatasync(fd) < 0 ? -errno : 0;
}

int blk_io(int fd, const struct blk_spec *disk, struct blk_request *r)
{
	int x = 0;

	switch (r->op) {
	case BLK_READ:
	case BLK_WRITE:
		x = data_move(fd, disk, r);
		break;
	case BLK_FLUSH:
		x = fdatasync(fd) < 0 ? -errno : 0;
		break;
	case BLK_DISCARD:
	case BLK_ZEROES:
		x = ranges_apply(fd, r);
		break;
	case BLK_NOTHING:
		return 0;
	}
	r->status = (uint8_t)(x < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
	return x;
}

WALL_CALL(worker, lseek);
WALL_CALL(worker, ftruncate);

/* Nothing else uses the position of the descriptor. A block device has its size, and keeps it. */
int blk_io_size(int fd, uint64_t wanted, uint64_t *ret)
{
	const off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return -errno;
	*ret = max_u64(wanted, (uint64_t)size);
	if (!wanted || wanted == (uint64_t)size)
		return 0;
	if (wanted < (uint64_t)size)
		return -ERANGE;
	return ftruncate(fd, (off_t)wanted) < 0 ? -errno : 0;
}
