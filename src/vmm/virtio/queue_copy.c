/* SPDX-License-Identifier: MIT */
/* Bytes of a chain, wherever its parts are: the same for both forms of a ring. */
#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <sys/uio.h>

typedef int (*part_copy)(const struct memory *m, gpa_t gpa, void *bytes, size_t len);

static int copy_out(const struct memory *m, gpa_t gpa, void *bytes, size_t len)
{
	return memory_read(m, gpa, bytes, len);
}

static int copy_in(const struct memory *m, gpa_t gpa, void *bytes, size_t len)
{
	return memory_write(m, gpa, bytes, len);
}

static int parts_copy(const struct virtq *q, const struct virtq_part *parts, unsigned count,
	uint64_t off, uint8_t *bytes, uint64_t len, part_copy copy)
{
	for (unsigned i = 0; i < count && len; i++) {
		const struct virtq_part *p = &parts[i];
		if (off >= p->size) {
			off -= p->size;
			continue;
		}
		const uint64_t step = min_u64(len, p->size - off);
		if (p->gpa.v > UINT64_MAX - off)
			return -EFAULT;
		int r = copy(q->memory, GPA(p->gpa.v + off), bytes, (size_t)step);
		if (r < 0)
			return r;
		bytes += step;
		len -= step;
		off = 0;
	}
	return 0;
}

int virtq_read(
	const struct virtq *q, const struct virtq_chain *c, uint64_t off, void *to, uint64_t len)
{
	if (!range_ok(off, len, c->out_size))
		return -ERANGE;
	return parts_copy(q, c->parts, c->out_count, off, to, len, copy_out);
}

int virtq_write(const struct virtq *q, const struct virtq_chain *c, uint64_t off, const void *from,
	uint64_t len)
{
	if (!range_ok(off, len, c->in_size))
		return -ERANGE;
	return parts_copy(q, c->parts + c->out_count, c->part_count - c->out_count, off,
		(uint8_t *)(uintptr_t)from, len, copy_in);
}

int virtq_find(const struct virtq_chain *c, uint64_t off, gpa_t *ret)
{
	const struct virtq_part *p = c->parts + c->out_count;

	if (off >= c->in_size)
		return -ERANGE;
	for (; off >= p->size; p++)
		off -= p->size;
	if (p->gpa.v > UINT64_MAX - off)
		return -EFAULT;
	*ret = GPA(p->gpa.v + off);
	return 0;
}

int virtq_iov(const struct virtq *q, const struct virtq_chain *c, bool in, uint64_t off,
	uint64_t len, struct iovec *iov, unsigned max)
{
	const struct virtq_part *p = c->parts + (in ? c->out_count : 0);
	unsigned count = 0;

	if (!range_ok(off, len, in ? c->in_size : c->out_size))
		return -ERANGE;
	for (; len; p++) {
		if (off >= p->size) {
			off -= p->size;
			continue;
		}
		const uint64_t step = min_u64(len, p->size - off);
		if (p->gpa.v > UINT64_MAX - off)
			return -EFAULT;
		int r = memory_iov(
			q->memory, GPA(p->gpa.v + off), step, in, iov + count, max - count);
		if (r < 0)
			return r;
		count += (unsigned)r;
		len -= step;
		off = 0;
	}
	return (int)count;
}
