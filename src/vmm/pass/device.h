/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_DEVICE_H
#define VMM_PASS_DEVICE_H

#include "base/log.h"
#include "pci/address.h"
#include "vfio/device.h"
#include "vfio/region.h"
#include "vmm/pass/bar.h"
#include "vmm/pass/config.h"
#include "vmm/pass/count.h"
#include "vmm/pass/event.h"
#include "vmm/pass/intx.h"
#include "vmm/pass/irqs.h"
#include "vmm/pass/msi.h"
#include "vmm/pass/msix.h"
#include "vmm/pass/reset.h"
#include "vmm/pass/rom.h"
#include "vmm/pci/root.h"
#include "vmm/worker.h"

#include <stdbool.h>

struct err;
struct vm;

/* Limits what a guest can write to the log, for each kind of misdeed. */
struct pass_misdeeds {
	struct log_guest place; /* BARs where they cannot be */
	struct log_guest access; /* registers at which the device does not answer */
	struct log_guest vector; /* interrupts that the host cannot give */
	struct log_guest reset;
};

/*
 * A passed-through device. Context of everything in vmm/pass, unless it says otherwise: under the
 * lock of the device. What may block is a job for its worker, which takes the lock for what it does
 * to this structure, not for the call that blocks. All calls of VFIO may block, but for accesses to
 * BARs: those of the guest go to mapped pages or, trapped, are made by the vCPU. The kernel holds
 * up both alike while somebody else on the host resets the device.
 *
 * What is on the guest's bus follows from configuration space alone. After each write to it the
 * whole is looked at again (pass_function_write), and the difference goes to vmm/memory, vmm/bus,
 * vmm/irq and VFIO.
 */
struct pass_dev {
	struct pci_func func;
	struct lock lock;
	struct worker worker;
	struct pass_resetting resetting;
	struct worker_job leaving;
	struct pass_count count;
	struct vm *vm;
	struct pci_address address; /* on the host */
	char name[PCI_ADDRESS_TEXT]; /* the same for messages */
	struct vfio_dev vfio;
	struct vfio_region config_region;
	struct pass_config config;
	struct func_bars bars;
	struct pass_region regions[FUNC_BARS];
	struct pass_msix msix;
	struct pass_msi msi;
	struct pass_intx intx;
	struct pass_irqs irqs;
	struct pass_events events;
	struct pass_rom rom;
	bool dropped; /* it has left the guest; atomic, for other devices to see */
	bool closed; /* and VFIO has it back */
	bool retired; /* its worker takes no more jobs for interrupts */
	struct pass_access *accesses, *access_free; /* vmm/pass/access */
	unsigned reads_abandoned; /* accesses that nobody waits for, see vmm/pass/access */
	unsigned writes_queued; /* that the device has not seen yet */
	bool quiet; /* from pass_reset_quiet() to the reset: the device is unreachable */
	unsigned power; /* 0 … 3: D0 … D3hot */
	uint64_t resets; /* by us: for the guest's reset or reboot, or by the guest (FLR) */
	uint64_t bus_resets; /* of these with all that is on its bus */
	uint64_t config_reads; /* of the guest */
	uint64_t config_writes;
	bool touched; /* the guest has written to it since the last reset */
	struct pass_misdeeds misdeeds;
	unsigned trace; /* of struct pass_spec */
	int group; /* the number of its VFIO group, which the keeper holds */
	bool known; /* KVM has the device by its own descriptor, see pass_domain_add() */
	struct pass_dev *next; /* in the guest */
};

/* An empty one, @d->vfio to be opened by the caller. Return: NULL when there is no memory. */
struct pass_dev *pass_dev_new(struct vm *vm, struct pci_address address);

/* One whose worker has ended. */
void pass_dev_free(struct pass_dev *d);

/*
 * Learns what the device is from @d->vfio and shapes what the guest will see; touches neither the
 * guest's memory nor its bus. Return: 0, -errno with a sentence.
 */
int pass_dev_learn(struct pass_dev *d, struct err *e);

/*
 * Takes the device from the guest, and closes it: what is left answers all-ones, and has what was
 * counted, until pass_dev_unlearn(). Twice is fine. Context: its worker, or any thread once the
 * worker has ended; without a lock; it may take long.
 */
void pass_dev_drop(struct pass_dev *d);

/*
 * The same while the guest runs on. The guest has lost the device on return; the worker then closes
 * it, and the host may do what it likes with the device, and with its group if that has no other
 * device in the guest. Twice is fine.
 */
void pass_dev_leave(struct pass_dev *d);

/* Whether the device has left the guest. Context: any thread. */
static inline bool pass_dev_is_dropped(const struct pass_dev *d)
{
	return __atomic_load_n(&d->dropped, __ATOMIC_SEQ_CST);
}

/* Whether the function is in reset: it answers nobody. */
static inline bool pass_dev_in_reset(const struct pass_dev *d)
{
	return d->resetting.queued || d->resetting.held;
}

/* The worker is about to end. Context: without the lock. */
void pass_dev_retire(struct pass_dev *d);

/* Lets go of what pass_dev_learn() made; half-made is fine. */
void pass_dev_unlearn(struct pass_dev *d);

#endif
