/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_RESET_H
#define VMM_PASS_RESET_H

#include "vmm/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct pass_dev;
struct vm;

/*
 * A reset takes 100 ms, or a second if it is one of the bus. So it is a job for the device's
 * worker: the guest's access that asks for it returns at once, and the function answers all-ones
 * and takes no write until the reset is done, as hardware does. Ref: PCI Express Base 6.6.2.
 */
struct pass_resetting {
	struct worker_job job;
	bool queued; /* the job is to run, or runs; another request is met by it */
	unsigned held; /* resets of the bus, for other functions on it, that go on */
	unsigned flr_off, flr_size; /* the guest's own request, a write; size 0: not that */
	uint32_t flr_value;
};

/* Disables interrupts and removes the BARs: the device is unreachable. */
void pass_reset_quiet(struct pass_dev *d);

/*
 * The device as after power-on, for a reset of the bus above it or of the guest. One that nobody
 * has touched since it was reset last is not reset again: each FLR takes 100 ms, a bus reset up to
 * a second. The worker does it.
 */
void pass_reset(struct pass_dev *d);

/* The job of struct pass_resetting. */
void pass_reset_run(struct worker_job *j);

/*
 * Waits until no worker has anything to do, @ms at most. Context: without a lock. Return: 0,
 * -ETIMEDOUT.
 */
int pass_reset_wait(struct vm *vm, unsigned ms);

/* Whether a write to configuration space asks for a function level reset. */
bool pass_reset_is_flr(const struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

/*
 * The guest resets the function by that write. VFIO turns it into a real reset and restores what
 * it saved of configuration space; the guest must find it as after one. The worker does it.
 */
void pass_reset_flr(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

#endif
