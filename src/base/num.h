/* SPDX-License-Identifier: MIT */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The only bounds check: whether [off, off + len) lies in [0, size), without a wrap. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static inline bool is_pow2(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* @align: a power of two. Return: 0 when the result does not fit. */
static inline uint64_t align_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t n, uint64_t align)
{
	return n & ~(align - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Converts the whole of @text to a number, at most @max. @base: 0 takes the prefixes 0x and 0.
 * Return: 0; -EINVAL for a sign, a blank or trailing text; -ERANGE.
 */
int num_parse(const char *text, unsigned base, uint64_t max, uint64_t *ret);

/*
 * Converts a size such as 512M, 2G, 4096 or 64K to bytes. Units are powers of 1024; iB or B may
 * follow them. Return: 0, -EINVAL, -ERANGE.
 */
int num_parse_size(const char *text, uint64_t *ret);

#endif
