/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_RING_H
#define VMM_VIRTIO_BLK_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An io_uring that can do no more than a disk needs.
 *
 * How it works. usher-vmm makes the ring, disabled, before it reads anything of the guest: from
 * then on the kernel refuses io_uring_setup(). Then the ring gets its files and a list of what is
 * allowed; the thread that uses the ring enables it. The kernel holds the list against every entry,
 * so whoever takes over usher-vmm reads and writes these files, and nothing else, by it.
 *
 * The kernel completes nothing behind the thread's back: it works for the ring when the thread
 * waits, and interrupts it at no other time (IORING_SETUP_DEFER_TASKRUN, Linux 6.1).
 *
 * Context: the thread that calls blk_ring_enable(), from then on.
 */
#define BLK_RING_ENTRIES 128 /* that are not signals */
#define BLK_RING_SIGNALS 128 /* unsubmitted */
#define BLK_RING_SIGNAL 1 /* `user` of a signal that failed */

struct blk_ring {
	void *map; /* of both queues; NULL: there is no ring */
	size_t map_size;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned *array; /* of the submission queue */
	unsigned *sq_tail, *sq_flags, *cq_head, *cq_tail;
	unsigned sq_mask, cq_mask;
	unsigned tail; /* of ours */
	unsigned pending; /* entries that the kernel has not seen */
	bool can_signal;
	uint64_t count; /* of an eventfd, on a kernel that has to read it */
	int fd;
};

struct blk_ring_done {
	uint64_t user;
	int32_t result;
	bool more; /* of the same entry will follow */
};

/* Return: 0; -ENOSYS, -EPERM, -errno: this host has none for us. */
int blk_ring_open(struct blk_ring *r);
/* Comes first. Context: any thread. Entries refer to @files by index. Return: 0, -errno. */
int blk_ring_restrict(const struct blk_ring *r, const int *files, unsigned count);
int blk_ring_enable(const struct blk_ring *r); /* Return: 0, -errno. */
void blk_ring_close(struct blk_ring *r); /* without a ring, too */

/* The next entry, for @file. At most BLK_RING_ENTRIES may be on their way. @user: no signal's. */
struct io_uring_sqe *blk_ring_next(struct blk_ring *r, uint8_t op, unsigned file, uint64_t user);
/*
 * The next entry adds one to @file, an eventfd that does not block; no completion says so.
 * Return: false: this kernel cannot, or too many wait for it.
 */
bool blk_ring_signal(struct blk_ring *r, unsigned file);
/*
 * The next entry completes when @file, an eventfd that blocks, is signalled: once, or again and
 * again as long as `more` says so.
 */
void blk_ring_watch(struct blk_ring *r, unsigned file, uint64_t user);
/* Submits all entries, and waits for a completion. Return: 0, -errno. */
int blk_ring_wait(struct blk_ring *r);
/* As blk_ring_wait(), but waits for nothing, and enters the kernel only where it has work. */
int blk_ring_submit(struct blk_ring *r);
/* Return: false: no completion is left. */
bool blk_ring_reap(struct blk_ring *r, struct blk_ring_done *ret);

#endif
