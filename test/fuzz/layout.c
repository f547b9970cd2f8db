/* SPDX-License-Identifier: MIT */
/*
 * Where guest memory and the window for 64-bit BARs lie, for any processor and any IOMMU: nothing
 * overlaps, nothing is out of reach, and no byte is lost. A guest that is refused would not fit.
 *
 * Input: 1 byte processor, 1 byte vendor and count of spans, the size, then two numbers a span.
 *
 * covers: src/vfio/layout.c
 */
#include "base/err.h"
#include "input.h"
#include "vfio/layout_rules.h"

#include <errno.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE UINT64_C(4096)

/* Ascending, in whole pages, as VFIO and the reserved regions of a group have them. */
static size_t read_spans(struct input *in, unsigned wanted, struct vfio_span *ret)
{
	size_t count = 0;
	uint64_t next = 0;

	for (unsigned i = 0; i < wanted; i++) {
		uint64_t gap = input_number(in) & ~(PAGE - 1), len = input_number(in) & ~(PAGE - 1);
		uint64_t first, last;
		if (__builtin_add_overflow(next, count ? max_u64(gap, PAGE) : gap, &first))
			break; /* spans that adjoin would be one */
		if (__builtin_add_overflow(first, len | (PAGE - 1), &last))
			last = UINT64_MAX;
		ret[count++] = (struct vfio_span){.first = {first}, .last = {last}};
		if (last == UINT64_MAX)
			break;
		next = last + 1;
	}
	return count;
}

/* How much of the memory below 3 GiB a layout may use: pieces of 2 MiB that nobody reserves. */
static uint64_t low_room(const struct vfio_span *usable, size_t count)
{
	uint64_t room = 0;

	for (uint64_t at = 0; at < LAYOUT_LOW_MAX; at += MIB(2))
		room += layout_is_usable(usable, count, at, at + MIB(2)) ? MIB(2) : 0;
	return room;
}

/* A guest that would fit below 3 GiB must not be refused. */
static void check_refusal(
	uint64_t size, const struct vfio_span *usable, size_t count, int code, const struct err *e)
{
	ck_assert(e->msg[0] && (code == -ENOSPC || code == -EADDRINUSE));
	if (count >= LAYOUT_RANGES_MAX)
		return;
	if (code == -EADDRINUSE)
		ck_assert(!layout_is_usable(
			usable, count, 0, min_u64(align_up(size, MIB(2)), MIB(64))));
	else
		ck_assert(size > low_room(usable, count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, data + len};
	struct layout_cpu cpu = {.phys_bits = 32 + input_byte(&in) % 21U};
	uint8_t shape = input_byte(&in);
	struct vfio_span usable[24];
	struct layout l;
	struct err e = {0};

	cpu.amd = shape & 1;
	uint64_t size = input_number(&in) & ~(PAGE - 1);
	if (size < MIB(4) || size > BIT64(62))
		size = MIB(4);
	size_t count = read_spans(&in, (shape >> 1) % 24U, usable);
	int r = layout_make(size, &cpu, usable, count, &l, &e);
	if (r < 0) {
		check_refusal(size, usable, count, r, &e);
		return 0;
	}
	ck_assert(l.bits <= max_u64(cpu.phys_bits, 32));
	layout_check(&l, size, &cpu, usable, count);
	return 0;
}
