/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_BATCH_H
#define VMM_VIRTIO_NET_BATCH_H

#include "vmm/virtio/net_handshake.h"
#include "vmm/virtio/queue.h"

#include <stdint.h>
#include <sys/uio.h>

/*
 * Frames of a driver that go into a stream by one system call, out of guest RAM.
 *
 * How it works. The kernel hands the bytes of a call on in pieces of 32 KiB, and the reader
 * may find one piece before the next is there. The passt of 2023 puts a frame together that comes
 * in two pieces, but not one in three. A length that comes in two is lost to it: from then on it
 * takes data for lengths. So a batch is no longer than a piece, unless it is a single frame.
 *
 * The beginning of a frame, which was looked at, is copied: the driver may change the rest.
 */
#define NET_BATCH_BYTES 32768
#define NET_BATCH_FRAMES 64
#define NET_BATCH_PARTS 640 /* each part of a chain may lie in two pieces of RAM */
#define NET_BATCH_LENGTH 4 /* [bytes] before each frame */
#define NET_BATCH_HEAD NET_HANDSHAKE_HEAD /* [bytes] of a frame that are copied */

struct net_batch {
	unsigned count; /* chains */
	unsigned part_count;
	uint64_t bytes;
	struct virtq_done done[NET_BATCH_FRAMES];
	uint8_t heads[NET_BATCH_FRAMES][NET_BATCH_LENGTH + NET_BATCH_HEAD];
	struct iovec parts[NET_BATCH_PARTS];
};

void net_batch_clear(struct net_batch *b);

/*
 * Adds the chain, whose frame has @size bytes from @off on. @head: its beginning, NET_BATCH_HEAD
 * bytes or all; @size 0: nothing of it is sent.
 * Return: 0; -ENOBUFS send the others first; -E2BIG it lies in too many pieces; -EFAULT.
 */
int net_batch_add(struct net_batch *b, const struct virtq *q, const struct virtq_chain *c,
	uint64_t off, const uint8_t *head, uint64_t size);

#endif
