/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_COUNT_H
#define VMM_PASS_COUNT_H

#include "vmm/worker.h"

#include <stdint.h>

struct pass_dev;

/*
 * Interrupts by vector, for --stats. They go from VFIO to KVM without this process: the host's
 * kernel counts them, in /proc/interrupts. Interrupts that an IOMMU posts to a running guest by
 * itself (VT-d, AMD AVIC) are seen by no kernel.
 *
 * The kernel builds the text anew at each read, for all interrupts of the host, and discards the
 * counts of MSI and MSI-X when they are turned off. So the device's worker reads the text before it
 * turns them off. The count of an INTx line survives, so it is read afterwards, by the line's
 * number.
 *
 * Without vm->interrupts_fd nothing is counted before a vector is turned off: what was asked for in
 * between stays.
 */
struct pass_count {
	struct worker_job job;
};

void pass_count_init(struct pass_dev *d);

/* INTx was turned on or off in VFIO: its line is looked at soon. Context: under the lock. */
void pass_count_intx(struct pass_dev *d);

/*
 * MSI or MSI-X, whichever VFIO has on, is about to be turned off: counts it.
 * Context: the worker, under the lock, which is dropped meanwhile.
 */
void pass_count_messages(struct pass_dev *d);

/*
 * Counts now: at the end of the guest, or because somebody asks. @interrupts_fd: /proc/interrupts,
 * -1 none. Context: main thread, without the lock.
 */
void pass_count_take(struct pass_dev *d, int interrupts_fd);

/*
 * The next line after *@at (of /proc/interrupts) of a vector of device @name, @kind "msi" or
 * "msix": which vector, and the sum of its columns. Return: 0, and *@at behind it; -ENOENT no more.
 */
int pass_count_next(
	const char **at, const char *kind, const char *name, unsigned *ret, uint64_t *ret_count);

#endif
