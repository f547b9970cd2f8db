/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_INPUT_H
#define TEST_FUZZ_INPUT_H

/* A fuzzer's input, read from front to back. What is missing at the end reads as 0. */
#include "base/bits.h"

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at, *end;
};

static inline uint8_t input_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint64_t input_bytes(struct input *in, unsigned count)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < count; i++)
		v |= (uint64_t)input_byte(in) << (8 * i);
	return v;
}

/* A number as addresses and sizes are: a power of two, one less, a few high bits, or any. */
static inline uint64_t input_number(struct input *in)
{
	uint8_t kind = input_byte(in);
	unsigned shift = kind >> 2;

	switch (kind & 3) {
	case 0:
		return BIT64(shift);
	case 1:
		return BIT64(shift) - 1;
	case 2:
		return (uint64_t)input_byte(in) << shift;
	default:
		return input_bytes(in, 8);
	}
}

#endif
