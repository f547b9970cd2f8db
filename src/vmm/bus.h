/* SPDX-License-Identifier: MIT */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Accesses that KVM hands to user space, by address: one bus for ports, one for MMIO.
 * A device sees offsets into its own range, never an absolute address.
 *
 * Context: any thread under the VM's lock (struct vm.lock), which the vCPU takes before it
 * dispatches.
 */
#define BUS_RANGES_MAX 256

struct bus_range {
	const char *name; /* shown by --timing: who made the guest exit */
	uint64_t base;
	uint64_t size; /* [bytes] */
	/* The bus has checked: size is 1, 2, 4 or 8 and [off, off + size) lies in the range. */
	uint64_t (*read)(struct bus_range *r, uint64_t off, unsigned size);
	void (*write)(struct bus_range *r, uint64_t off, unsigned size, uint64_t value);
	uint64_t reads; /* accesses so far */
	uint64_t writes;
};

struct bus {
	const char *name;
	size_t count;
	struct bus_range *ranges[BUS_RANGES_MAX]; /* by base; the devices' own */
	struct bus_range *last; /* the last hit: accesses come in runs */
	uint64_t missed; /* nobody answered */
	/*
	 * Whose access was it, when no range has it: a range that need not be on the bus, NULL
	 * nobody's. For what had left the guest before its place was mapped. NULL: none of it is.
	 */
	struct bus_range *(*late)(struct bus *b, uint64_t addr, unsigned size);
};

/* Whether @r has room between the other ranges. Return: 0, -EINVAL, -EEXIST on overlap. */
int bus_check(const struct bus *b, const struct bus_range *r, struct err *e);

/* @r stays the device's. Return: bus_check()'s, -ENOSPC. */
int bus_add(struct bus *b, struct bus_range *r, struct err *e);
void bus_remove(struct bus *b, struct bus_range *r);

/* A read that nobody answers is all-ones, a write is lost: as on a real bus. */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size);
void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value);

#endif
