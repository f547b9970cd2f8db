/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_COUNT_H
#define VMM_PASS_COUNT_H

#include "vmm/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct pass_dev;

/*
 * Interrupts by vector, for --stats. They go from VFIO to KVM without this process: the host's
 * kernel counts them, in /proc/interrupts. Interrupts that an IOMMU posts to a running guest by
 * itself (VT-d, AMD AVIC) are seen by no kernel.
 *
 * The kernel builds the text anew at each read, for all interrupts of the host, and discards the
 * counts of MSI and MSI-X when they are turned off. So the device's worker reads the text and then
 * turns them off in VFIO. Until then they linger: the guest has them off, KVM no longer takes them.
 * INTx, which devices fall back to, waits: a level is not lost. MSI and MSI-X do not wait: what
 * lingers is turned off, uncounted.
 * The count of an INTx line survives, so it is read afterwards, by the line's number.
 *
 * Without vm->interrupts_fd nothing is counted and nothing lingers.
 */
#define PASS_COUNT_NONE UINT32_MAX

struct pass_count {
	struct worker_job job;
	uint32_t lingers; /* VFIO_PCI_MSI_IRQ_INDEX, _MSIX_; PASS_COUNT_NONE */
	bool ended; /* the worker takes no more jobs */
	void (*settled)(struct pass_dev *d); /* nothing lingers any more; under the device's lock */
};

/* @settled: what has waited for the count, such as INTx. */
void pass_count_init(struct pass_dev *d, void (*settled)(struct pass_dev *d));

/* Turns MSI or MSI-X (@index) off in VFIO, later if it is counted. Return: 0, -errno. */
int pass_count_off(struct pass_dev *d, uint32_t index);

/* Whether VFIO still has MSI or MSI-X on that the guest has turned off: INTx has to wait. */
bool pass_count_lingers(const struct pass_dev *d);

/* Turns off what lingers, at once: before MSI or MSI-X is turned on. */
void pass_count_settle(struct pass_dev *d);

/* INTx was turned on or off: its line is looked at soon. */
void pass_count_intx(struct pass_dev *d);

/* Before the worker ends. Context: without the lock. */
void pass_count_end(struct pass_dev *d);

/* Counts at the end of the guest. Context: main thread, without the lock; once. */
void pass_count_take(struct pass_dev *d);

/*
 * The next line after *@at (of /proc/interrupts) of a vector of device @name, @kind "msi" or
 * "msix": which vector, and the sum of its columns. Return: 0, and *@at behind it; -ENOENT no more.
 */
int pass_count_next(
	const char **at, const char *kind, const char *name, unsigned *ret, uint64_t *ret_count);

#endif
