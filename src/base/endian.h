/* SPDX-License-Identifier: MIT */
#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Little-endian fields at any alignment, as in configuration space and ACPI tables. */

static inline uint16_t le16_get(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t le32_get(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t le64_get(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void le16_put(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void le32_put(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void le64_put(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* A little-endian field of 1, 2, 4 or 8 bytes. */
static inline uint64_t le_get(const void *p, unsigned size)
{
	uint64_t v = 0;
	memcpy(&v, p, size);
	return le64toh(v);
}

static inline void le_put(void *p, unsigned size, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, size);
}

#endif
