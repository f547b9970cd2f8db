/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_COUNT_H
#define VMM_PASS_COUNT_H

#include <stdint.h>

struct pass_dev;

/*
 * Interrupts by vector, for --stats. They go from VFIO to KVM without this process. The host's
 * kernel counts them in /proc/interrupts and forgets the count when the interrupt is disabled, so
 * counts are added up before that. Without vm->interrupts_fd nothing is counted. No kernel sees
 * interrupts that an IOMMU posts to a running guest (VT-d, AMD AVIC).
 */

/*
 * Adds up what @index (VFIO_PCI_INTX_IRQ_INDEX, _MSI_, _MSIX_) has counted; before it is disabled.
 */
void pass_count_take(struct pass_dev *d, uint32_t index);

/* INTx was enabled: what its line has counted before was for other devices. */
void pass_count_begin_intx(struct pass_dev *d);

/*
 * Finds the next line after *@at (of /proc/interrupts) of a vector of device @name, @kind "msi" or
 * "msix": its number and the sum of its columns. Return: 0, *@at is behind the line; -ENOENT.
 */
int pass_count_next(
	const char **at, const char *kind, const char *name, unsigned *ret, uint64_t *ret_count);

/*
 * Finds the line of @text (/proc/interrupts) that ends in @what, such as "vfio-intx(0000:01:00.0)";
 * *@ret is the sum of its columns. Return: 0, -ENOENT.
 */
int pass_count_find(const char *text, const char *what, uint64_t *ret);

#endif
