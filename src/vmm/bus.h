/* SPDX-License-Identifier: MIT */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "vmm/lock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Accesses that KVM hands to user space, by address: one bus for ports, one for MMIO.
 * A device sees offsets into its own range, never an absolute address.
 *
 * Context: any thread. The bus takes the lock of the range's device for an access. A device adds
 * its ranges under its own lock or none, and removes them under its own lock: no access of another
 * thread is under way then, and none follows.
 */
#define BUS_RANGES_MAX 256

/*
 * A write that signals an eventfd instead of calling the range. KVM signals it while the range is
 * on its bus, without an exit (KVM_IOEVENTFD); where KVM has no room for it, the bus does, or calls
 * the range if the eventfd is a foreign one.
 */
struct bus_doorbell {
	uint64_t off; /* from the range's start */
	unsigned size; /* [bytes] of the write: 1, 2, 4 or 8 */
	bool matches; /* only a write of `value` counts */
	uint64_t value;
	int eventfd; /* the device's */
	bool foreign; /* another program has it, too, and may have a writer wait: KVM alone rings */
	bool in_kvm; /* set by the bus */
	struct bus_doorbell *next; /* of the same range */
};

struct bus_range {
	const char *name; /* shown by --timing: who made the guest exit */
	struct lock *lock; /* of the device; NULL: its calls need none */
	uint64_t base;
	uint64_t size; /* [bytes] */
	/* The bus has checked: size is 1, 2, 4 or 8 and [off, off + size) lies in the range. */
	uint64_t (*read)(struct bus_range *r, uint64_t off, unsigned size);
	void (*write)(struct bus_range *r, uint64_t off, unsigned size, uint64_t value);
	struct bus_doorbell *doorbells;
	uint64_t reads; /* accesses so far */
	uint64_t writes;
	unsigned pins; /* threads that are about to lock the device, or have */
};

struct bus {
	const char *name;
	const int *vm_fd; /* for doorbells; NULL: KVM rings none */
	bool ports; /* its addresses are ports */
	size_t count;
	struct bus_range *ranges[BUS_RANGES_MAX]; /* by base; the devices' own */
	pthread_rwlock_t guard; /* of the table, for a look at it or one change of it */
	uint64_t generation; /* of the table */
	uint64_t missed; /* accesses without an answer */
	/*
	 * Asked when no range has an address: the range that was there until its pages were mapped,
	 * with a pin, though it is not on the bus; NULL: none. The function may be NULL.
	 */
	struct bus_range *(*late)(struct bus *b, uint64_t addr, unsigned size);
};

#define BUS_INIT(of)                                              \
	{                                                         \
		.name = (of), .guard = PTHREAD_RWLOCK_INITIALIZER \
	}

/* Whether @r has room between the other ranges. Return: 0, -EINVAL, -EEXIST on overlap. */
int bus_check(struct bus *b, const struct bus_range *r, struct err *e);

/* @r stays the device's. Return: bus_check()'s, -ENOSPC. */
int bus_add(struct bus *b, struct bus_range *r, struct err *e);
/* Does not wait. @r may be added again at once, but not be freed before bus_range_wait(). */
void bus_remove(struct bus *b, struct bus_range *r);

/* Waits until no thread has @r, which is removed, any more. Context: without a device's lock. */
void bus_range_wait(const struct bus_range *r);

/*
 * Adds a doorbell to @r, which is not on a bus; it comes and goes with @r. @d stays the device's.
 * Return: 0; -EINVAL it is not in the range, or has no such size.
 */
int bus_add_doorbell(struct bus_range *r, struct bus_doorbell *d, struct err *e);

/* *@b->vm_fd is a new VM: tells it of all doorbells. */
void bus_renew(struct bus *b);

/* Without an answer a read is all-ones, and a write is lost, as on a real bus. */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size);
void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value);

#endif
