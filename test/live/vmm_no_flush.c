/* SPDX-License-Identifier: MIT */
/*
 * usher-vmm with a planted bug: a flush of a virtio disk is acknowledged, and never made. It is
 * linked with --wrap=blk_ring_next.
 */
#include "base/num.h"
#include "vmm/virtio/blk_ring.h"

struct io_uring_sqe *__real_blk_ring_next(
	struct blk_ring *r, uint8_t op, unsigned file, uint64_t user);
struct io_uring_sqe *__wrap_blk_ring_next(
	struct blk_ring *r, uint8_t op, unsigned file, uint64_t user);

/* A read of nothing succeeds, and the flags that the caller sets are a flush's. */
struct io_uring_sqe *__wrap_blk_ring_next(
	struct blk_ring *r, uint8_t op, unsigned file, uint64_t user)
{
	static struct io_uring_sqe ignored;
	struct io_uring_sqe *s =
		__real_blk_ring_next(r, op == IORING_OP_FSYNC ? IORING_OP_READV : op, file, user);

	return op == IORING_OP_FSYNC ? &ignored : s;
}
