/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_INTX_H
#define VMM_PASS_INTX_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pass_dev;

/*
 * INTx, level triggered, without user space on its way: VFIO masks the line and signals an
 * eventfd, KVM raises the pin; at the guest's end of interrupt KVM lowers the pin and signals the
 * second eventfd, on which VFIO unmasks. A line that is still asserted comes again.
 * Ref: KVM API, KVM_IRQFD_FLAG_RESAMPLE; linux/vfio.h VFIO_IRQ_SET_ACTION_UNMASK.
 */
struct pass_intx {
	unsigned pin; /* 1: A … 4: D; 0: the device has none */
	bool on;
	bool failed; /* the host cannot: not asked again before a reset */
	int trigger; /* eventfds, -1 until first used */
	int unmask;
	uint64_t signals; /* that the host has counted (vmm/pass/count) */
	uint64_t first; /* what its line had counted when it was turned on */
};

int pass_intx_init(struct pass_dev *d, struct err *e);
void pass_intx_fini(struct pass_dev *d);

/* On while neither MSI nor MSI-X is and the guest lets the device decode anything. */
void pass_intx_update(struct pass_dev *d);
void pass_intx_stop(struct pass_dev *d);

#endif
