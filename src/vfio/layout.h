/* SPDX-License-Identifier: MIT */
#ifndef VFIO_LAYOUT_H
#define VFIO_LAYOUT_H

#include "vfio/ioas.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Decides where the memory of a guest lies. Its devices use guest-physical addresses as IOVAs. So
 * RAM and BARs must avoid what the IOMMU reserves (the MSI window, memory that firmware maps) and
 * what AMD's processors reserve, and must not lie higher than processor and IOMMU can address. A
 * pure function: the VMM lays out a guest by it, and a plan predicts the result by it.
 */
#define LAYOUT_LOW_MAX UINT64_C(0xc0000000) /* RAM below 4 GiB ends here or lower */
#define LAYOUT_MEM32_BASE UINT64_C(0xc0000000) /* 32-bit BARs */
#define LAYOUT_MEM32_SIZE UINT64_C(0x28000000)
#define LAYOUT_IO_BASE UINT64_C(0x1000)
#define LAYOUT_IO_SIZE UINT64_C(0xf000)
#define LAYOUT_HIGH_BASE (UINT64_C(1) << 32) /* the rest of RAM; 64-bit BARs above it */
#define LAYOUT_RANGES_MAX 16

struct layout_range {
	uint64_t base;
	uint64_t size; /* [bytes] */
};

struct layout {
	unsigned bits; /* width of a guest-physical address */
	size_t count;
	struct layout_range ram[LAYOUT_RANGES_MAX]; /* ascending; the first one begins at 0 */
	struct layout_range mem64; /* window for 64-bit BARs above RAM; size 0: no room */
};

/* The processor of the host. */
struct layout_cpu {
	unsigned phys_bits; /* width of its physical addresses */
	bool amd; /* or Hygon: it reserves addresses for HyperTransport */
};

/*
 * @size: of RAM [bytes], whole pages. @usable: what the IOMMU translates, ascending; @count 0:
 * everything (no devices, or a kernel that does not say).
 * Return: 0; -ENOSPC the RAM does not fit into the addresses; -EADDRINUSE the IOMMU reserves
 * addresses that a kernel needs to boot.
 */
int layout_make(uint64_t size, const struct layout_cpu *cpu, const struct vfio_span *usable,
	size_t count, struct layout *ret, struct err *e);

#endif
