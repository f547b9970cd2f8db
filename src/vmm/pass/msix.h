/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_MSIX_H
#define VMM_PASS_MSIX_H

#include "vmm/pci/msix.h"

#include <stdbool.h>

struct err;
struct pass_dev;
struct pass_hole;

/*
 * What VFIO adds to the MSI-X of an emulated function: the device's own vectors, which signal the
 * eventfds. The device's real table belongs to the host's kernel.
 */
struct pass_msix {
	struct func_msix guest; /* `armed` of a vector: VFIO signals its eventfd */
	bool fixed; /* vectors cannot be added while it is on (Linux before 6.5) */
};

/*
 * Emulates the capability, or hides one that contradicts the BARs or VFIO. After pass_bars_init().
 * Return: 0, -ENOMEM, -errno.
 */
int pass_msix_init(struct pass_dev *d, struct err *e);
/* Releases the device's vectors; counts stay until func_msix_fini(). */
void pass_msix_release(struct pass_dev *d);

/* Finds the parts of BAR @index that must be trapped. Return: how many of @ret[2] are set. */
unsigned pass_msix_holes(const struct pass_dev *d, unsigned index, struct pass_hole *ret);

/* Acts on the present value of the control register. */
void pass_msix_update(struct pass_dev *d);

/* Whether vector @n is live and attached, but VFIO does not know it yet. */
bool pass_msix_wants_arming(const struct func_msix *m, unsigned n);

/* Logs that @what failed with @r for vector @n. */
void pass_msix_failed(struct pass_dev *d, unsigned n, const char *what, int r);

#endif
