/* SPDX-License-Identifier: MIT */
#ifndef VMM_COPY_H
#define VMM_COPY_H

#include "vmm/gpa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct memory;

/*
 * How devices reach guest RAM: by copies. The guest may write to its memory at any time, so a value
 * that was checked must not be read again; a device that has a copy cannot. There is no pointer.
 *
 * A range may cross from one range of RAM into the next. Device memory (BARs) is not reached.
 * Each call returns 0, or -EFAULT when not all of it is RAM (for writes: writable RAM); then
 * nothing was copied.
 *
 * Context: any thread, without a lock.
 */
int memory_read(const struct memory *m, gpa_t gpa, void *to, size_t len);
int memory_write(const struct memory *m, gpa_t gpa, const void *from, size_t len);
int memory_fill(const struct memory *m, gpa_t gpa, uint8_t byte, size_t len);

/*
 * A little-endian field. One that is aligned to its size is read, or written, by one access: the
 * guest sees the old value or the new one. Order among fields is the caller's (a fence).
 */
int memory_le16_get(const struct memory *m, gpa_t at, uint16_t *ret);
int memory_le32_get(const struct memory *m, gpa_t at, uint32_t *ret);
int memory_le64_get(const struct memory *m, gpa_t at, uint64_t *ret);
/* Two fields in sequence; if @at is aligned to 16, each by one access, and @second first. */
int memory_le64_pair_get(const struct memory *m, gpa_t at, uint64_t *first, uint64_t *second);
int memory_le16_put(const struct memory *m, gpa_t at, uint16_t value);
int memory_le32_put(const struct memory *m, gpa_t at, uint32_t value);
int memory_le64_put(const struct memory *m, gpa_t at, uint64_t value);

/*
 * Where [@gpa, +@len) is for the kernel, which reads or writes it on behalf of a device: at most
 * @max parts, all of them RAM (@writes: writable RAM), which stays where it is for the life of the
 * guest. For system calls alone: whoever looks at it himself sees it change.
 * Return: the number of parts; -EFAULT; -E2BIG.
 */
int memory_iov(const struct memory *m, gpa_t gpa, uint64_t len, bool writes, struct iovec *iov,
	unsigned max);

#endif
