/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/balloon_stats.h"

#include "base/bits.h"
#include "base/endian.h"

#include <linux/virtio_balloon.h>

#define ENTRY 10 /* [bytes] a tag of 2, and a value */
#define ENTRIES_MAX 64

/* By tag. */
static const char *const names[BALLOON_STATS] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "swapped_in",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "swapped_out",
	[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
	[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "free",
	[VIRTIO_BALLOON_S_MEMTOT] = "total",
	[VIRTIO_BALLOON_S_AVAIL] = "available",
	[VIRTIO_BALLOON_S_CACHES] = "caches",
};

const char *balloon_stats_name(unsigned n)
{
	return names[n];
}

const char *balloon_stats_read(
	struct balloon_stats *s, const struct virtq *q, const struct virtq_chain *c)
{
	uint8_t entry[ENTRY];
	uint32_t known = 0;

	if (c->out_size / ENTRY > ENTRIES_MAX)
		return "says too much of its memory";
	for (uint64_t off = 0; off + ENTRY <= c->out_size; off += ENTRY) {
		if (virtq_read(q, c, off, entry, sizeof(entry)) < 0)
			return "says of its memory what is not in it";
		const unsigned tag = le16_get(entry);
		/* Later drivers know more. */
		if (tag >= BALLOON_STATS)
			continue;
		__atomic_store_n(&s->values[tag], le64_get(entry + 2), __ATOMIC_RELAXED);
		known |= 1U << tag;
	}
	/* At the end: a reader of a guest's first report sees all of it, or nothing. */
	(void)__atomic_fetch_or(&s->known, known, __ATOMIC_RELEASE);
	return NULL;
}
