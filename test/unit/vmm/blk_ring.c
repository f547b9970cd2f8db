/* SPDX-License-Identifier: MIT */
/* The io_uring of a disk, on this machine's kernel: what it watches, completes and refuses. */
#include "vmm/virtio/blk_ring.h"

#include "suite.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WATCH 7 /* `user` of what waits for the eventfd */

static struct blk_ring ring;
static int bell; /* the ring's only file */

static void begin(int flags)
{
	bell = eventfd(0, flags);
	ck_assert_int_ge(bell, 0);
	ck_assert_msg(blk_ring_open(&ring) == 0, "this kernel has no io_uring for us");
	ck_assert_int_eq(blk_ring_restrict(&ring, &bell, 1), 0);
	ck_assert_int_eq(blk_ring_enable(&ring), 0);
}

static void end(void)
{
	blk_ring_close(&ring);
	(void)close(bell);
}

/* Return: the only completion that there is. */
static struct blk_ring_done reaped(void)
{
	struct blk_ring_done done, other;

	ck_assert(blk_ring_reap(&ring, &done));
	ck_assert(!blk_ring_reap(&ring, &other));
	return done;
}

static struct blk_ring_done rung(void)
{
	ck_assert_int_eq(eventfd_write(bell, 1), 0);
	ck_assert_int_eq(blk_ring_wait(&ring), 0);
	return reaped();
}

START_TEST(a_watch_stays)
{
	begin(0);
	ck_assert(ring.can_signal);
	blk_ring_watch(&ring, 0, WATCH);
	for (unsigned i = 0; i < 1000; i++) {
		const struct blk_ring_done done = rung();
		ck_assert_uint_eq(done.user, WATCH);
		ck_assert_int_gt(done.result, 0);
		ck_assert(done.more);
	}
	end();
}
END_TEST

START_TEST(an_older_kernel_is_asked_each_time)
{
	begin(0);
	ring.can_signal = false;
	for (unsigned i = 1; i < 4; i++) {
		blk_ring_watch(&ring, 0, WATCH);
		const struct blk_ring_done done = rung();
		ck_assert_uint_eq(done.user, WATCH);
		ck_assert_int_eq(done.result, sizeof(ring.count));
		ck_assert_uint_eq(ring.count, 1);
		ck_assert(!done.more);
	}
	end();
}
END_TEST

/* As a disk that polls does: the kernel must complete without a wait. */
START_TEST(completes_for_who_never_waits)
{
	struct blk_ring_done done;

	begin(0);
	blk_ring_watch(&ring, 0, WATCH);
	ck_assert_int_eq(blk_ring_submit(&ring), 0);
	ck_assert_uint_eq(ring.pending, 0);
	ck_assert(!blk_ring_reap(&ring, &done));
	ck_assert_int_eq(eventfd_write(bell, 1), 0);
	ck_assert_int_eq(blk_ring_submit(&ring), 0);
	ck_assert_uint_eq(reaped().user, WATCH);
	end();
}
END_TEST

START_TEST(a_signal_says_nothing)
{
	struct blk_ring_done done;
	eventfd_t count = 0;

	begin(EFD_NONBLOCK);
	ck_assert(blk_ring_signal(&ring, 0));
	ck_assert_int_eq(blk_ring_submit(&ring), 0);
	ck_assert_int_eq(eventfd_read(bell, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert(!blk_ring_reap(&ring, &done));
	end();
}
END_TEST

/* Takes what there is. *@watched: whether the watch still stands. Return: how many requests. */
static unsigned requests_reaped(bool *watched)
{
	struct blk_ring_done done;
	unsigned count = 0;

	while (blk_ring_reap(&ring, &done)) {
		count += done.user != WATCH;
		if (done.user == WATCH)
			*watched = done.more;
		else
			ck_assert_int_eq(done.result, sizeof(uint64_t));
	}
	return count;
}

/* As a driver that rings while the thread is busy: the kernel has no room for each completion. */
START_TEST(no_request_is_lost_among_rings)
{
	static const uint64_t one = 1;
	bool watched = true;
	unsigned done = 0;

	begin(0);
	blk_ring_watch(&ring, 0, WATCH);
	for (unsigned i = 0; i < 8 * BLK_RING_ENTRIES; i++) {
		ck_assert_int_eq(eventfd_write(bell, 1), 0);
		ck_assert_int_eq(blk_ring_submit(&ring), 0);
	}
	for (unsigned i = 0; i < BLK_RING_ENTRIES / 2; i++) {
		struct io_uring_sqe *s = blk_ring_next(&ring, IORING_OP_WRITE, 0, WATCH + 1 + i);
		s->addr = (uint64_t)(uintptr_t)&one;
		s->len = sizeof(one);
	}
	while (done < BLK_RING_ENTRIES / 2) {
		ck_assert_int_eq(blk_ring_wait(&ring), 0);
		done += requests_reaped(&watched);
	}
	ck_assert_uint_eq(done, BLK_RING_ENTRIES / 2);
	ck_assert_uint_eq(ring.pending, 0);
	/* A watch that found no room has ended, and says so; a new one hears the next ring. */
	if (!watched)
		blk_ring_watch(&ring, 0, WATCH);
	ck_assert_int_eq(blk_ring_submit(&ring), 0);
	(void)requests_reaped(&watched);
	watched = false;
	ck_assert_int_eq(eventfd_write(bell, 1), 0);
	ck_assert_int_eq(blk_ring_wait(&ring), 0);
	ck_assert_uint_eq(requests_reaped(&watched), 0);
	ck_assert(watched);
	end();
}
END_TEST

START_TEST(does_nothing_else)
{
	begin(0);
	(void)blk_ring_next(&ring, IORING_OP_TIMEOUT, 0, WATCH);
	ck_assert_int_eq(blk_ring_wait(&ring), 0);
	ck_assert_int_eq(reaped().result, -EACCES);
	/* Any descriptor of the process, not a file of the ring. */
	blk_ring_next(&ring, IORING_OP_WRITE, 0, WATCH)->flags = 0;
	ck_assert_int_eq(blk_ring_wait(&ring), 0);
	ck_assert_int_eq(reaped().result, -EACCES);
	ck_assert_int_eq(blk_ring_restrict(&ring, &bell, 1), -EACCES);
	end();
}
END_TEST

SUITE("blk_ring", a_watch_stays, an_older_kernel_is_asked_each_time, completes_for_who_never_waits,
	a_signal_says_nothing, no_request_is_lost_among_rings, does_nothing_else)
