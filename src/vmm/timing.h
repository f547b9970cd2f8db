/* SPDX-License-Identifier: MIT */
#ifndef VMM_TIMING_H
#define VMM_TIMING_H

#include <stddef.h>
#include <stdint.h>

struct vm;

/*
 * Where the time goes: phases of start-up, and who made the guest leave for user space.
 * Context: main thread.
 */
#define TIMING_PHASES_MAX 24

struct timing_phase {
	const char *name;
	uint64_t wall_us;
	uint64_t user_us; /* processor time in user mode: without what system calls took */
};

struct timing {
	uint64_t start_us;
	uint64_t last_us;
	uint64_t last_user_us;
	size_t count;
	struct timing_phase phases[TIMING_PHASES_MAX];
};

void timing_start(struct timing *t);

/* Ends the phase that began with the last mark. @name: static text. */
void timing_mark(struct timing *t, const char *name);

/* The report: one line a fact on stderr, `timing KIND NAME VALUE…`, for people and scripts. */
void timing_print(const struct vm *vm);

#endif
