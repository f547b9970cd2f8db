/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

struct blk_ring;
struct err;
struct vm;

#define BLK_SERIAL_MAX 20
#define BLK_POLL_NS 1000000 /* of a disk that polls */

/* A disk, as the keeper has opened it. */
struct blk_spec {
	const char *name; /* for messages: the path that the keeper opened; it outlives the disk */
	unsigned number; /* its place in the description */
	uint64_t size; /* [bytes], a multiple of `logical` */
	uint32_t logical; /* [bytes] the least that can be read or written; a power of two */
	uint32_t physical; /* [bytes] what is best read or written at once */
	bool readonly;
	bool direct; /* O_DIRECT: buffers are aligned */
	uint64_t poll_ns; /* look for requests without sleep till then after the last; 0: not */
	unsigned queues; /* 1 to VIRTIO_QUEUES_MAX */
	char serial[BLK_SERIAL_MAX]; /* without a NUL if it has this length */
};

/*
 * virtio-blk: a disk of the guest, which is a file or a block device of the host.
 *
 * Plugs one into the guest, behind a root port of its own. @fd is taken over, and so is @ring, a
 * ring that is not enabled yet, or none.
 * Return: 0, -ENOSPC, -ENOMEM, -errno.
 */
int virtio_blk_add(struct vm *vm, int fd, const struct blk_spec *s, const struct blk_ring *ring,
	struct err *e);

#endif
