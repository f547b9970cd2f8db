/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_REQUEST_H
#define VMM_VIRTIO_BLK_REQUEST_H

#include "vmm/virtio/blk.h"
#include "vmm/virtio/queue.h"

#include <sys/uio.h>

/*
 * A request of a guest for its disk, out of a chain of its queue.
 *
 * How it works. The chain begins with a header and ends with one byte for the status. Each field
 * is read once, into here; what passed the checks is what is done. Data are never copied: the
 * kernel does the I/O in guest memory, by the vector.
 *
 * Ref: virtio 1.2, 5.2.6.
 */
#define BLK_SEGMENTS_MAX (VIRTQ_PARTS_MAX - 2) /* without header and status */
#define BLK_RANGES_MAX 16 /* of one discard */
#define BLK_RANGE_SECTORS (UINT32_C(1) << 22) /* of each of these: 2 GiB */
#define BLK_SECTOR 512
#define BLK_DATA_MAX (UINT64_C(1) << 30) /* [bytes] of one read or write */

enum blk_op { BLK_NOTHING, BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZEROES };

struct blk_range {
	uint64_t off, len; /* [bytes] */
	bool unmap; /* zeroes may be a hole */
};

struct blk_request {
	enum blk_op op; /* BLK_NOTHING: `status` is the answer already */
	uint8_t status; /* VIRTIO_BLK_S_… */
	bool durable; /* of a write: the guest does not flush, so it is done when it is on disk */
	bool has_status; /* the chain has room for it: */
	gpa_t status_at;
	uint64_t off, len; /* [bytes] of a read or write */
	unsigned iov_count; /* 0: it has ranges, if any */
	unsigned range_count;
	/* Last: most requests touch the beginning alone, and so one page of memory. */
	union {
		struct blk_range ranges[BLK_RANGES_MAX];
		struct iovec iov[VIRTQ_PARTS_MAX];
	};
};

/* @flushes: the driver accepted VIRTIO_BLK_F_FLUSH. What is wrong with it is in `status`. */
void blk_request_parse(const struct virtq *q, const struct virtq_chain *c,
	const struct blk_spec *disk, bool flushes, struct blk_request *ret);

#endif
