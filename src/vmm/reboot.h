/* SPDX-License-Identifier: MIT */
#ifndef VMM_REBOOT_H
#define VMM_REBOOT_H

#include <stdbool.h>
#include <time.h>

struct vm;

/*
 * Whether a guest that was reset starts again. It does not if it would only come to the same end:
 * after a panic, when its kernel has had a triple fault soon after its start, twice in a row, and
 * when it was reset soon and without a word, three times in a row.
 * A reset that the keeper commands always starts it again.
 * Context: main thread, no other runs.
 */
struct reboots {
	unsigned count;
	struct timespec booted; /* CLOCK_MONOTONIC: when the present kernel started */
	unsigned early_faults; /* kernels one after the other that ended soon by a triple fault */
	unsigned early_resets; /* and that ended soon without a word */
};

/* A kernel starts now. */
void reboots_start(struct reboots *r);

/*
 * The guest has ended. Return: true: it is to start again. false: vm->end and vm->why say how it
 * ended; a reset that leads nowhere has become a crash.
 */
bool reboots_again(struct reboots *r, struct vm *vm);

#endif
