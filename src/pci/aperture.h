/* SPDX-License-Identifier: MIT */
#ifndef PCI_APERTURE_H
#define PCI_APERTURE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Places BARs in an address window as firmware does: the largest alignment first, which leaves no
 * gaps between powers of two. Pure functions: the VMM places a guest's devices by them, and a plan
 * computes beforehand whether they fit.
 */
struct pci_claim {
	uint64_t size; /* [bytes] */
	uint64_t align; /* a power of two */
	uint64_t base; /* set by pci_aperture_place(); 0: no room */
};

/* Places @claims in [@base, +@size). Return: how many found no room. */
size_t pci_aperture_place(struct pci_claim *claims, size_t count, uint64_t base, uint64_t size);

/*
 * Adds up all of them to one claim: the window of the bridge above, in multiples of @granule.
 * Ref: PCI-to-PCI Bridge Architecture 3.2.5: 1 MiB for memory, 4 KiB for ports
 */
struct pci_claim pci_aperture_sum(const struct pci_claim *claims, size_t count, uint64_t granule);

#endif
