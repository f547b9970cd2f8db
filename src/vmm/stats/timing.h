/* SPDX-License-Identifier: MIT */
#ifndef VMM_STATS_TIMING_H
#define VMM_STATS_TIMING_H

#include <stddef.h>
#include <stdint.h>

struct vm;

/*
 * Where the time goes: phases of start-up, and which devices the exits to user space addressed.
 * Context: main thread.
 */
#define TIMING_PHASES_MAX 24

struct timing_phase {
	const char *name;
	uint64_t ns;
	uint64_t ioctl_ns; /* of all ioctls until its end */
};

struct timing {
	uint64_t start_ns;
	uint64_t last_ns;
	uint64_t ready_ns; /* when the keeper had done its part: all before is its time */
	uint64_t parallel_ns; /* of ioctls before that */
	uint64_t ioctl_ns; /* of the time before the guest ran: KVM's and VFIO's */
	uint64_t own_ns; /* from @ready_ns until the guest ran: the rest */
	size_t count;
	struct timing_phase phases[TIMING_PHASES_MAX];
};

void timing_start(struct timing *t);

/* Ends the phase that began with the last mark. @name: static text. */
void timing_mark(struct timing *t, const char *name);

/*
 * Ends the wait for the keeper, which has opened all devices at @ready_ns, by CLOCK_MONOTONIC. It
 * may have been ready before this program began: all of the start is this program's own time then.
 */
void timing_wait_over(struct timing *t, uint64_t ready_ns);

/* The guest is about to run. */
void timing_enter(struct timing *t);

/*
 * Reports one figure a line, `timing: NAME VALUE`, for people and scripts, among the messages.
 * Names that end in _ms are phases and sums of phases; the others count exits, by reason and by
 * device.
 */
void timing_print(const struct vm *vm);

#endif
