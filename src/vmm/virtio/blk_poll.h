/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_POLL_H
#define VMM_VIRTIO_BLK_POLL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a disk looks for requests again at once, instead of waiting for its doorbell.
 * Context: the disk's thread.
 */
struct blk_poll {
	uint64_t ns; /* so long after the last request; 0: never */
	bool polling; /* now; the driver need not ring */
	bool active; /* there was something to do */
	uint64_t active_ns; /* when that was last seen */
};

bool blk_poll_goes_on(struct blk_poll *p);

/* Another thread that wants the lock of the device gets it meanwhile. */
void blk_poll_pause(void);

#endif
