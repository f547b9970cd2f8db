/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_TRACE_H
#define VMM_PASS_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct func_bar;

/*
 * --trace-bar: each access of the guest to one BAR, told with the name of the register. Such a BAR
 * is trapped as a whole instead of mapped: slow, but nothing of it is missed.
 */
#define TRACE_NAME 32

/* What the registers of a BAR are called. */
struct trace_decoder {
	const char *name;
	const struct trace_reg *regs;
	size_t count;
};

/* Registers from @off on: @count of them, @step apart, when it is a row. */
struct trace_reg {
	uint32_t off;
	uint16_t size; /* [bytes] of one */
	uint16_t count; /* 0, 1: no row */
	uint16_t step; /* [bytes] */
	const char *name; /* of a row with one %u for the number */
};

/*
 * By vendor, device and class (24 bits, as configuration space has it) for BAR @index:
 * NVMe, e1000e and QEMU's edu. Return: NULL: names are not known.
 */
const struct trace_decoder *trace_find(
	uint16_t vendor, uint16_t device, uint32_t class, unsigned index);

/* The name of what is at @off, "" when it has none. */
void trace_name(const struct trace_decoder *t, uint64_t off, char name[TRACE_NAME]);

enum trace_way { TRACE_READ, TRACE_WRITE };

/* One line on stderr: "trace: ADDRESS BAR N +0x1c read4 0x1 CSTS". */
void trace_access(
	const struct func_bar *b, uint64_t off, unsigned size, uint64_t value, enum trace_way way);

#endif
