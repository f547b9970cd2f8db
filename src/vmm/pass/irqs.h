/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_IRQS_H
#define VMM_PASS_IRQS_H

#include "vmm/worker.h"

#include <stdbool.h>

struct pass_dev;

/*
 * The device's interrupts in VFIO, of which one kind is on at a time. Each call to VFIO may sleep:
 * the kernel allocates vectors, and waits for handlers that are running. So the guest's thread
 * records under the device's lock what it wants, and the worker brings VFIO there.
 *
 * Wanted is MSI-X (msix.guest.on), MSI (msi.on) or INTx (intx.on), in this order, and every vector
 * that is live. The worker drops the lock for each call, and looks again after it.
 *
 * No interrupt is lost. A vCPU that has asked goes on only when VFIO is there (pass_ask_wait), as
 * after a configuration write on hardware. If the host takes longer than the vCPU waits, the device
 * may have signalled too early: then the worker signals once what it connects late. Drivers
 * tolerate a spurious interrupt, but not a lost one.
 */
struct pass_irqs {
	struct worker_job job;
	bool asked; /* the job has not looked yet */
	bool renew; /* the guest has turned off what is on, and perhaps something on again */
	bool late; /* the guest went on before its vectors were connected */
	int on; /* VFIO has this kind on: VFIO_PCI_…_IRQ_INDEX; -1 none */
	unsigned count; /* vectors that VFIO has allocated for it; 0: it lost them, and is off */
};

void pass_irqs_init(struct pass_dev *d);

/* Turns off what is on. Context: the worker, or a thread that outlives it; without the lock. */
void pass_irqs_stop(struct pass_dev *d);

#endif
