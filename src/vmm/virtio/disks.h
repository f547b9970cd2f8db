/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_DISKS_H
#define VMM_VIRTIO_DISKS_H

#include "vmm/lock.h"

#include <stdint.h>

struct virtio_blk;
struct vm;

/* The virtio disks of a guest, by their place in its description. */
#define VIRTIO_DISKS_MAX 16

struct virtio_disks {
	struct lock lock;
	struct virtio_blk *of[VIRTIO_DISKS_MAX]; /* NULL: no disk, or it is gone */
};

#define VIRTIO_DISKS_NONE                      \
	{                                      \
		.lock = LOCK_INIT(LOCK_DISKS), \
	}

/* A disk has the size of its file now, or has not. @result: 0, -errno. @size: [bytes] if 0. */
struct disk_resized {
	void (*tell)(struct disk_resized *r, int result, uint64_t size); /* context: a worker */
};

/*
 * Gives disk @n the size of its file, and tells the guest. @wanted: first makes the file that
 * large; 0: it stays as it is. Return: 0, then @then->tell() is called once, with -ERANGE if the
 * file is larger than @wanted; -ENODEV there is no such disk. Context: no lock of a device.
 */
int virtio_disk_resize(struct vm *vm, unsigned n, uint64_t wanted, struct disk_resized *then);

#endif
