/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_COUNT_H
#define VMM_PASS_COUNT_H

#include <stdint.h>

struct pass_dev;

/*
 * Interrupts by vector, for --stats. They go from VFIO to KVM without this process, so it is the
 * host's kernel that counts them, in /proc/interrupts, and forgets them when the interrupt is
 * turned off: each time before, what it has is added up. Without vm->interrupts_fd nothing is
 * counted, and nothing costs. Interrupts that an IOMMU posts to a running guest by itself
 * (VT-d, AMD AVIC) are seen by no kernel.
 */

/* @index: VFIO_PCI_INTX_IRQ_INDEX, _MSI_, _MSIX_; is about to be turned off, or at the end. */
void pass_count_take(struct pass_dev *d, uint32_t index);

/* INTx was turned on: its line may have counted for others. */
void pass_count_begin_intx(struct pass_dev *d);

/*
 * The next line after *@at (of /proc/interrupts) of a vector of device @name, @kind "msi" or "msix":
 * which vector, and the sum of its columns. Return: 0, and *@at behind it; -ENOENT no more.
 */
int pass_count_next(
	const char **at, const char *kind, const char *name, unsigned *ret, uint64_t *ret_count);

/*
 * The sum of the columns of the line of @text (/proc/interrupts) that ends in @what: as the
 * kernel's VFIO names them, "vfio-intx(0000:01:00.0)". Return: 0, -ENOENT.
 */
int pass_count_find(const char *text, const char *what, uint64_t *ret);

#endif
