/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_TRACE_H
#define VMM_PASS_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct func_bar;

/*
 * --trace-bar prints each access of the guest to one BAR, with the name of the register. Such a BAR
 * is trapped as a whole instead of mapped: slow, but complete.
 */
#define TRACE_NAME 32

/* Names of the registers of a BAR. */
struct trace_decoder {
	const char *name;
	const struct trace_reg *regs;
	size_t count;
};

/* One register at `off`, or a row of `count` registers that are `step` apart. */
struct trace_reg {
	uint32_t off;
	uint16_t size; /* [bytes] of one */
	uint16_t count; /* 0, 1: no row */
	uint16_t step; /* [bytes] */
	const char *name; /* of a row with one %u for the number */
};

/*
 * Finds the names for BAR @index of a device by vendor, device and class (24 bits). Known are NVMe,
 * e1000e and QEMU's edu. Return: NULL if no names are known.
 */
const struct trace_decoder *trace_find(
	uint16_t vendor, uint16_t device, uint32_t class, unsigned index);

/* Writes the name of the register at @off, "" if it has none. */
void trace_name(const struct trace_decoder *t, uint64_t off, char name[TRACE_NAME]);

enum trace_way { TRACE_READ, TRACE_WRITE };

/* Prints one line on stderr: "trace: ADDRESS BAR N +0x1c read4 0x1 CSTS". */
void trace_access(
	const struct func_bar *b, uint64_t off, unsigned size, uint64_t value, enum trace_way way);

#endif
