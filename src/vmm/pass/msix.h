/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_MSIX_H
#define VMM_PASS_MSIX_H

#include "vmm/pass/vector.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;
struct pass_hole;

/*
 * MSI-X with the table and the pending bits emulated: what the guest writes there are addresses
 * of its own interrupt controllers, and the device's real table belongs to the host's kernel.
 * Ref: PCI Local Bus 3.0 6.8.2.
 */
struct pass_msix {
	unsigned count; /* vectors; 0: no MSI-X */
	unsigned table_bar;
	unsigned pba_bar;
	uint64_t table_off;
	uint64_t pba_off;
	bool fixed; /* vectors cannot be added while it is on (Linux before 6.5) */
	bool on; /* VFIO has it on */
	unsigned
		allocated; /* vectors that VFIO has made, when fixed; 0: it lost them, and is off */
	uint16_t control; /* as last acted upon */
	uint8_t *table; /* count entries of 16 bytes */
	struct pass_vector *vectors;
};

/*
 * Learns the capability; one that contradicts the BARs or VFIO is hidden. After pass_bars_init().
 * Return: 0, -ENOMEM, -errno.
 */
int pass_msix_init(struct pass_dev *d, struct err *e);
/* Lets go of the device; what was counted stays until pass_msix_fini(). */
void pass_msix_release(struct pass_dev *d);
void pass_msix_fini(struct pass_dev *d);

/* What of BAR @index must be trapped. Return: how many of @ret[2] are set. */
unsigned pass_msix_holes(const struct pass_dev *d, unsigned index, struct pass_hole *ret);

/* An access to BAR @index at @off, if it is to the table or the PBA. Return: false: it is not. */
bool pass_msix_read(struct pass_dev *d, unsigned index, uint64_t off, unsigned size, uint64_t *ret);
bool pass_msix_write(
	struct pass_dev *d, unsigned index, uint64_t off, unsigned size, uint64_t value);

/* Acts on the control register as configuration space has it now. */
void pass_msix_update(struct pass_dev *d);

/* Off, and the table as after power-on. */
void pass_msix_reset(struct pass_dev *d);

#endif
