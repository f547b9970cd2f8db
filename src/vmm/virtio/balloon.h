/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include "vmm/lock.h"
#include "vmm/virtio/balloon_stats.h"

#include <stdint.h>

struct err;
struct virtio_balloon;
struct vm;

/*
 * virtio-balloon: the guest gives pages of its memory back to the host, those that it is asked for
 * and those that nobody in it uses (free page reporting). Not while memory is pinned for a lent
 * device: what a device reaches is never given back, so the description has one or the other.
 * Ref: virtio 1.2, 5.5.
 */

/* The guest's balloon, for those who have no lock of it. */
struct virtio_balloons {
	struct lock lock;
	struct virtio_balloon *balloon; /* NULL: there is none, or it is gone */
};

#define VIRTIO_BALLOONS_NONE                   \
	{                                      \
		.lock = LOCK_INIT(LOCK_DISKS), \
	}

struct virtio_balloon_figures {
	uint64_t wanted; /* [bytes] that the guest was asked for */
	uint64_t held; /* [bytes] that it says it has given, and not taken back */
	uint64_t returned; /* [bytes] that the host's kernel got, over all time */
	struct balloon_stats guest; /* as the guest's kernel said after the look before */
};

/* Plugs one into the guest, behind a root port of its own. Return: 0, -ENOSPC, -ENOMEM, -errno. */
int virtio_balloon_add(struct vm *vm, struct err *e);

/*
 * Asks the guest to keep @keep bytes, and to give the rest. Return: 0; -ENODEV it has no balloon;
 * -ERANGE it does not have as much; -EINVAL no guest runs in so little. Context: no lock of a
 * device.
 */
int virtio_balloon_set(struct vm *vm, uint64_t keep);

/*
 * All zero without a balloon. The guest is asked anew, for the next look: nobody waits for it.
 * Context: likewise.
 */
struct virtio_balloon_figures virtio_balloon_look(struct vm *vm);

#endif
