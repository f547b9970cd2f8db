/* SPDX-License-Identifier: MIT */
#ifndef PCI_APERTURE_H
#define PCI_APERTURE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Address space for BARs, laid out as firmware does it: the largest alignment first, which leaves
 * no gaps between powers of two. Pure: the VMM places a guest's devices by it, and a plan tells
 * beforehand whether they fit.
 */
struct pci_claim {
	uint64_t size; /* [bytes] */
	uint64_t align; /* a power of two */
	uint64_t base; /* given by pci_aperture_place(); 0: no room */
};

/* Places @claims in [@base, +@size). Return: how many found no room. */
size_t pci_aperture_place(struct pci_claim *claims, size_t count, uint64_t base, uint64_t size);

/*
 * What all of them come to, as one: the window of the bridge above, in multiples of @granule.
 * Ref: PCI-to-PCI Bridge Architecture 3.2.5: 1 MiB for memory, 4 KiB for ports
 */
struct pci_claim pci_aperture_sum(const struct pci_claim *claims, size_t count, uint64_t granule);

#endif
