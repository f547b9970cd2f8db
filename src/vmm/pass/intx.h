/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_INTX_H
#define VMM_PASS_INTX_H

#include "vmm/pci/intx.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * What VFIO adds to an INTx line, without user space in its way: VFIO masks the device's line and
 * signals `trigger`; at the guest's end of interrupt KVM signals `resample`, on which VFIO unmasks.
 * Ref: linux/vfio.h VFIO_IRQ_SET_ACTION_UNMASK.
 */
struct pass_intx {
	struct func_intx line;
	bool on; /* wanted, and attached to KVM; the worker has VFIO enable it */
	bool failed; /* the host cannot; no further attempt before a reset */
	uint64_t signals; /* that the host has counted (vmm/pass/count) */
	int irq; /* the host's number of its line, once the worker has looked; -1 */
	uint64_t first; /* what the line had counted then */
};

/* Emulates the pin, or hides it if VFIO cannot mask the line. */
void pass_intx_init(struct pass_dev *d);
void pass_intx_fini(struct pass_dev *d);

/* Enables INTx if neither MSI nor MSI-X is enabled and the guest lets the device decode. */
void pass_intx_update(struct pass_dev *d);
void pass_intx_stop(struct pass_dev *d);

/* The host cannot: no further attempt before a reset. */
void pass_intx_failed(struct pass_dev *d, int r);

#endif
