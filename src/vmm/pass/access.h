/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_ACCESS_H
#define VMM_PASS_ACCESS_H

#include <stdint.h>

struct pass_dev;

/*
 * Configuration space of the device itself, by VFIO. If the device does not answer, a read is
 * all-ones and a write is lost. @size: 1, 2 or 4.
 * Context: under the device's lock, or by its worker.
 */
uint32_t pass_dev_get(struct pass_dev *d, unsigned off, unsigned size);
void pass_dev_put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);

#endif
