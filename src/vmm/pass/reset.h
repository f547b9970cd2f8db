/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_RESET_H
#define VMM_PASS_RESET_H

#include <stdbool.h>
#include <stdint.h>

struct pass_dev;

/* Everything that interrupts and all that is mapped, off: nobody reaches the device any more. */
void pass_reset_quiet(struct pass_dev *d);

/*
 * The device as after power-on, for a reset of the bus above it or of the guest. One that nobody
 * has touched since it was reset last is not reset again: each FLR takes 100 ms, a bus reset up to
 * a second.
 */
void pass_reset(struct pass_dev *d);

/* Whether a write to configuration space asks for a function level reset. */
bool pass_reset_is_flr(const struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

/*
 * The guest resets the function by that write. VFIO turns it into a real reset and restores what
 * it saved of configuration space; the guest must find it as after one.
 */
void pass_reset_flr(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

#endif
