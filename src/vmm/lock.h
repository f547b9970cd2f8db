/* SPDX-License-Identifier: MIT */
#ifndef VMM_LOCK_H
#define VMM_LOCK_H

#include <pthread.h>
#include <stdbool.h>

/*
 * How it works
 *
 * Each device has a lock. A vCPU thread answers a register access under the lock of that device
 * alone, so an access to one device never waits for another device. Nothing that may block runs
 * under a lock that a vCPU takes: it is a job for a worker (vmm/worker.h) or for an outbox.
 *
 * A thread takes locks in the order of their ranks, from the first of this list to the last, and
 * never two of one rank. No circle can come about. A build with asserts checks each lock_take().
 */
enum lock_rank {
	LOCK_LOOP = 1, /* an event that the main thread serves */
	LOCK_RESET, /* resets of whole buses; a vCPU never takes it */
	LOCK_CURE, /* one vCPU at a time repairs a fault */
	LOCK_COALESCE, /* the ring of port writes, while they are dispatched */
	LOCK_PORT, /* a root port, above the functions behind it */
	LOCK_DEVICE, /* a function, the serial port */
	LOCK_PANIC, /* the serial port has it listen */
	LOCK_IRQ, /* interrupt routes */
	LOCK_DISKS, /* the table of virtio disks, or of network cards */
	LOCK_QUEUE, /* a worker's jobs */
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

#define LOCK_INIT(of)                                             \
	{                                                         \
		.mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (of), \
	}

void lock_take(struct lock *l);
void lock_drop(struct lock *l);

/* Whether this thread has @l. Without asserts: always true. For asserts alone. */
bool lock_is_mine(const struct lock *l);

/*
 * A pin keeps an object alive while a thread that has no lock of it is about to take one. The
 * object is first made unreachable for other threads, then pin_wait() returns when the last pin is
 * gone, then it may be freed. pin_wait() is called without any lock that a pin's holder may want.
 */
static inline void pin_take(unsigned *pins)
{
	(void)__atomic_fetch_add(pins, 1, __ATOMIC_ACQUIRE);
}

static inline void pin_drop(unsigned *pins)
{
	(void)__atomic_fetch_sub(pins, 1, __ATOMIC_RELEASE);
}

void pin_wait(const unsigned *pins);

#endif
