/* SPDX-License-Identifier: MIT */
#include "vmm/lock.h"

#include "vmm/walls/mark.h"

#include <assert.h>
#include <stddef.h>
#include <unistd.h>

#ifndef NDEBUG
#define LOCKS_HELD_MAX 12

/* The locks that this thread has, in the order in which it took them. */
static _Thread_local struct {
	const struct lock *locks[LOCKS_HELD_MAX];
	size_t count;
} held;

static void check_take(const struct lock *l)
{
	assert(held.count < LOCKS_HELD_MAX);
	assert(l->rank > 0);
	for (size_t i = 0; i < held.count; i++)
		assert(held.locks[i]->rank < l->rank);
	held.locks[held.count++] = l;
}

static void check_drop(const struct lock *l)
{
	size_t at = 0;

	while (at < held.count && held.locks[at] != l)
		at++;
	assert(at < held.count);
	held.count--;
	for (; at < held.count; at++)
		held.locks[at] = held.locks[at + 1];
}

bool lock_is_mine(const struct lock *l)
{
	for (size_t i = 0; i < held.count; i++)
		if (held.locks[i] == l)
			return true;
	return false;
}
#else
static void check_take(const struct lock *l)
{
	(void)l;
}

static void check_drop(const struct lock *l)
{
	(void)l;
}

bool lock_is_mine(const struct lock *l)
{
	(void)l;
	return true;
}
#endif

void lock_take(struct lock *l)
{
	/* Before it waits: what would be a deadlock is an assert. */
	check_take(l);
	(void)pthread_mutex_lock(&l->mutex);
}

void lock_drop(struct lock *l)
{
	check_drop(l);
	(void)pthread_mutex_unlock(&l->mutex);
}

WALL_CALL(main | worker, clock_nanosleep);

void pin_wait(const unsigned *pins)
{
	while (__atomic_load_n(pins, __ATOMIC_ACQUIRE))
		(void)usleep(100);
}
