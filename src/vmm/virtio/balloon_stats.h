/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BALLOON_STATS_H
#define VMM_VIRTIO_BALLOON_STATS_H

#include "vmm/virtio/queue.h"

#include <stdint.h>

/* What the guest's kernel says of its memory. Ref: virtio 1.2, 5.5.6.3. */
#define BALLOON_STATS 8

struct balloon_stats {
	/* Atomic: */
	uint32_t known; /* bit N: there is a value N */
	uint64_t values[BALLOON_STATS]; /* [bytes], or how often */
};

/* Takes what chain @c has; what no driver may say is left out. Return: NULL; what is wrong. */
const char *balloon_stats_read(
	struct balloon_stats *s, const struct virtq *q, const struct virtq_chain *c);

/* Return: static, as "free". @n: less than BALLOON_STATS. */
const char *balloon_stats_name(unsigned n);

#endif
