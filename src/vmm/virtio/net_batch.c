/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_batch.h"

#include "base/endian.h"
#include "base/num.h"

#include <errno.h>
#include <string.h>

void net_batch_clear(struct net_batch *b)
{
	b->count = b->part_count = 0;
	b->bytes = 0;
}

static bool batch_has_room(const struct net_batch *b, uint64_t size)
{
	return b->count < NET_BATCH_FRAMES && b->part_count < NET_BATCH_PARTS &&
	       (!b->bytes || b->bytes + NET_BATCH_LENGTH + size <= NET_BATCH_BYTES);
}

int net_batch_add(struct net_batch *b, const struct virtq *q, const struct virtq_chain *c,
	uint64_t off, const uint8_t *head, uint64_t size)
{
	const uint32_t length = htobe32((uint32_t)size);
	const uint64_t copied = min_u64(size, NET_BATCH_HEAD);
	struct iovec *parts = b->parts + b->part_count;
	int more = 0;

	if (!batch_has_room(b, size))
		return -ENOBUFS;
	if (size > copied)
		more = virtq_iov(q, c, false, off + copied, size - copied, parts + 1,
			NET_BATCH_PARTS - b->part_count - 1);
	if (more == -E2BIG && b->count)
		return -ENOBUFS;
	if (more < 0)
		return more;
	if (size) {
		uint8_t *front = b->heads[b->count];
		memcpy(front, &length, NET_BATCH_LENGTH);
		memcpy(front + NET_BATCH_LENGTH, head, copied);
		parts[0] = (struct iovec){front, NET_BATCH_LENGTH + copied};
		b->part_count += 1 + (unsigned)more;
		b->bytes += NET_BATCH_LENGTH + size;
	}
	b->done[b->count++] = virtq_done_of(c, 0);
	return 0;
}
