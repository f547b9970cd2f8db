/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BALLOON_PAGES_H
#define VMM_VIRTIO_BALLOON_PAGES_H

#include "vmm/virtio/queue.h"

#include <stdint.h>

struct memory;

/*
 * Pages of guest memory on their way to the host's kernel, which has zeroes there when the guest
 * touches them again. What is not RAM of the guest stays as it is.
 *
 * Context: one thread at a time, without a lock.
 */
#define BALLOON_NUMBERS 256 /* of pages, read at once; Linux lists as many in a chain */

struct balloon_pages {
	const struct memory *memory;
	uint32_t numbers[BALLOON_NUMBERS];
	uint64_t returned; /* [bytes] so far; atomic */
};

/*
 * Returns the pages whose numbers the chain lists. Return: NULL, or what the driver did wrong;
 * then the rest was returned all the same.
 */
const char *balloon_pages_list(
	struct balloon_pages *b, const struct virtq *q, const struct virtq_chain *c);

/* Returns the parts of the chain that the device may write, as far as they are whole pages. */
const char *balloon_pages_report(struct balloon_pages *b, const struct virtq_chain *c);

#endif
