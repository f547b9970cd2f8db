/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_IO_H
#define VMM_VIRTIO_BLK_IO_H

#include "vmm/virtio/blk_request.h"

/* Requests by system calls that block: what io_uring does not do, or all where there is none. */

/*
 * Does it, and sets its status. Changes its vector. Return: 0, -errno: of the host.
 * Context: a worker, without a lock.
 */
int blk_io(int fd, const struct blk_spec *disk, struct blk_request *r);

/*
 * The size of the file, which first grows to @wanted; 0: it stays as it is.
 * Return: 0; -ERANGE it is larger than that; -errno. Context: a worker.
 */
int blk_io_size(int fd, uint64_t wanted, uint64_t *ret);

/*
 * Whether the vector can be read and written as it is: direct I/O needs aligned memory, which a
 * guest need not have.
 */
bool blk_io_is_aligned(const struct blk_spec *disk, const struct blk_request *r);

#endif
