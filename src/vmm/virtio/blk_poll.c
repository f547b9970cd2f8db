/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk_poll.h"

#include <time.h>

#define POLL_PAUSES 32 /* from one look to the next: about a microsecond */

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool blk_poll_goes_on(struct blk_poll *p)
{
	if (!p->ns)
		return false;
	const uint64_t now = monotonic_ns();
	if (p->active) {
		p->active = false;
		p->active_ns = now;
		p->polling = true;
	}
	return p->polling && now - p->active_ns < p->ns;
}

void blk_poll_pause(void)
{
	for (unsigned i = 0; i < POLL_PAUSES; i++)
		__builtin_ia32_pause();
}
