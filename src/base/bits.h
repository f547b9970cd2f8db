/* SPDX-License-Identifier: MIT */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

#define BIT32(n) (UINT32_C(1) << (n))
#define BIT64(n) (UINT64_C(1) << (n))

/* The n low bits set; n in [0, 64]. */
static inline uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : BIT64(n) - 1;
}

/* What a PCI read of @size bytes returns when no device answers. */
static inline uint64_t all_ones(unsigned size)
{
	return low_bits(8 * size);
}

#endif
