/* SPDX-License-Identifier: MIT */
#include "vmm/copy.h"

#include "base/num.h"
#include "vmm/memory.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

/*
 * How it works
 *
 * Nothing is copied unless all of it is RAM: one walk over the blocks checks, a second one copies.
 * RAM does not change while a device runs (vmm/memory.h), so both walks see the same blocks, and
 * neither needs a lock. block_count is published after the block it counts.
 */
enum copy_way { COPY_OUT, COPY_IN };

/* The block that holds @at, NULL when it is not RAM. */
static const struct memory_block *find_block(const struct memory *m, uint64_t at)
{
	size_t count = __atomic_load_n(&m->block_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++)
		if (at - m->blocks[i].gpa.v < m->blocks[i].size)
			return &m->blocks[i];
	return NULL;
}

/* How much of [@at, +@len) lies in @b, which holds @at. */
static uint64_t part_in_block(const struct memory_block *b, uint64_t at, uint64_t len)
{
	return min_u64(len, b->size - (at - b->gpa.v));
}

static int check_ram(const struct memory *m, uint64_t at, uint64_t len, enum copy_way way)
{
	uint64_t end;

	if (__builtin_add_overflow(at, len, &end))
		return -EFAULT;
	while (at < end) {
		const struct memory_block *b = find_block(m, at);
		if (!b || (way == COPY_IN && b->readonly))
			return -EFAULT;
		at += part_in_block(b, at, end - at);
	}
	return 0;
}

int memory_read(const struct memory *m, gpa_t gpa, void *to, size_t len)
{
	int r = check_ram(m, gpa.v, len, COPY_OUT);

	for (uint64_t at = gpa.v, part; r >= 0 && len; at += part, len -= part) {
		const struct memory_block *b = find_block(m, at);
		part = part_in_block(b, at, len);
		memcpy(to, b->host + (at - b->gpa.v), part);
		to = (char *)to + part;
	}
	return r;
}

int memory_write(const struct memory *m, gpa_t gpa, const void *from, size_t len)
{
	int r = check_ram(m, gpa.v, len, COPY_IN);

	for (uint64_t at = gpa.v, part; r >= 0 && len; at += part, len -= part) {
		const struct memory_block *b = find_block(m, at);
		part = part_in_block(b, at, len);
		memcpy(b->host + (at - b->gpa.v), from, part);
		from = (const char *)from + part;
	}
	return r;
}

int memory_fill(const struct memory *m, gpa_t gpa, uint8_t byte, size_t len)
{
	int r = check_ram(m, gpa.v, len, COPY_IN);

	for (uint64_t at = gpa.v, part; r >= 0 && len; at += part, len -= part) {
		const struct memory_block *b = find_block(m, at);
		part = part_in_block(b, at, len);
		memset(b->host + (at - b->gpa.v), byte, part);
	}
	return r;
}

int memory_iov(const struct memory *m, gpa_t gpa, uint64_t len, bool writes, struct iovec *iov,
	unsigned max)
{
	unsigned count = 0;
	int r = check_ram(m, gpa.v, len, writes ? COPY_IN : COPY_OUT);

	if (r < 0)
		return r;
	for (uint64_t at = gpa.v, part; len; at += part, len -= part) {
		const struct memory_block *b = find_block(m, at);
		part = part_in_block(b, at, len);
		if (count == max)
			return -E2BIG;
		iov[count++] = (struct iovec){b->host + (at - b->gpa.v), part};
	}
	return (int)count;
}

/* Host pointer to an aligned field of @size bytes, which cannot cross a block's end; or NULL. */
static void *find_field(const struct memory *m, gpa_t at, unsigned size, enum copy_way way)
{
	const struct memory_block *b = at.v & (size - 1) ? NULL : find_block(m, at.v);

	return b && !(way == COPY_IN && b->readonly) ? b->host + (at.v - b->gpa.v) : NULL;
}

#define DEFINE_FIELD(bits)                                                                \
	int memory_le##bits##_get(const struct memory *m, gpa_t at, uint##bits##_t *ret)  \
	{                                                                                 \
		const uint##bits##_t *field = find_field(m, at, sizeof(*ret), COPY_OUT);  \
		uint##bits##_t value;                                                     \
		int r = 0;                                                                \
                                                                                          \
		if (field)                                                                \
			value = __atomic_load_n(field, __ATOMIC_RELAXED);                 \
		else                                                                      \
			r = memory_read(m, at, &value, sizeof(value));                    \
		if (r >= 0)                                                               \
			*ret = le##bits##toh(value);                                      \
		return r;                                                                 \
	}                                                                                 \
                                                                                          \
	int memory_le##bits##_put(const struct memory *m, gpa_t at, uint##bits##_t value) \
	{                                                                                 \
		uint##bits##_t *field = find_field(m, at, sizeof(value), COPY_IN);        \
                                                                                          \
		value = htole##bits(value);                                               \
		if (!field)                                                               \
			return memory_write(m, at, &value, sizeof(value));                \
		__atomic_store_n(field, value, __ATOMIC_RELAXED);                         \
		return 0;                                                                 \
	}

DEFINE_FIELD(16)
DEFINE_FIELD(32)
DEFINE_FIELD(64)

int memory_le64_pair_get(const struct memory *m, gpa_t at, uint64_t *first, uint64_t *second)
{
	const uint64_t *fields = find_field(m, at, 2 * sizeof(*fields), COPY_OUT);
	uint64_t copy[2];

	if (fields) {
		*second = le64toh(__atomic_load_n(&fields[1], __ATOMIC_ACQUIRE));
		*first = le64toh(__atomic_load_n(&fields[0], __ATOMIC_RELAXED));
		return 0;
	}
	int r = memory_read(m, at, copy, sizeof(copy));
	if (r < 0)
		return r;
	*first = le64toh(copy[0]);
	*second = le64toh(copy[1]);
	return 0;
}
