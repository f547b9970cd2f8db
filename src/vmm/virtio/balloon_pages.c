/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/balloon_pages.h"

#include "base/num.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/walls/mark.h"

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PAGE_SHIFT VIRTIO_BALLOON_PFN_SHIFT
#define CHAIN_MAX KIB(16) /* [bytes] of numbers in a chain */
#define PIECES 32 /* of RAM, in a range */

static const char not_ram[] = "gives back memory that it does not have";

WALL_CALL(worker, madvise, MADV_DONTNEED, MADV_REMOVE);

/* Private memory is dropped; of a file, the pages go as well. */
static const char *range_return(struct balloon_pages *b, gpa_t gpa, uint64_t len)
{
	const int advice = b->memory->memfd >= 0 ? MADV_REMOVE : MADV_DONTNEED;
	struct iovec pieces[PIECES];

	const int count = memory_iov(b->memory, gpa, len, true, pieces, PIECES);
	for (int i = 0; i < count; i++)
		if (madvise(pieces[i].iov_base, pieces[i].iov_len, advice) == 0)
			(void)__atomic_fetch_add(&b->returned, pieces[i].iov_len, __ATOMIC_RELAXED);
	return count < 0 ? not_ram : NULL;
}

/* Numbers that follow one another are one range. */
static const char *numbers_return(struct balloon_pages *b, unsigned count)
{
	const char *fault = NULL;

	for (unsigned i = 0, next; i < count; i = next) {
		const uint64_t first = le32toh(b->numbers[i]);
		next = i + 1;
		while (next < count && le32toh(b->numbers[next]) == first + (next - i))
			next++;
		const char *wrong = range_return(
			b, GPA(first << PAGE_SHIFT), (uint64_t)(next - i) << PAGE_SHIFT);
		fault = wrong ? wrong : fault;
	}
	return fault;
}

const char *balloon_pages_list(
	struct balloon_pages *b, const struct virtq *q, const struct virtq_chain *c)
{
	const uint64_t size = min_u64(c->out_size, CHAIN_MAX);
	const char *fault = c->out_size > CHAIN_MAX ? "lists too many pages at once" : NULL;

	for (uint64_t off = 0; off < size; off += sizeof(b->numbers)) {
		const uint64_t len = min_u64(size - off, sizeof(b->numbers));
		if (virtq_read(q, c, off, b->numbers, len) < 0)
			return "lists pages where no RAM is";
		const char *wrong = numbers_return(b, (unsigned)(len / sizeof(b->numbers[0])));
		fault = wrong ? wrong : fault;
	}
	return fault;
}

const char *balloon_pages_report(struct balloon_pages *b, const struct virtq_chain *c)
{
	const char *fault = NULL;

	for (unsigned i = c->out_count; i < c->part_count; i++) {
		const struct virtq_part *p = &c->parts[i];
		const uint64_t skip = -p->gpa.v & (MEMORY_PAGE - 1);
		if (p->size < skip + MEMORY_PAGE || p->gpa.v > UINT64_MAX - skip)
			continue;
		const char *wrong = range_return(
			b, GPA(p->gpa.v + skip), align_down(p->size - skip, MEMORY_PAGE));
		fault = wrong ? wrong : fault;
	}
	return fault;
}
