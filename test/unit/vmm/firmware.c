/* SPDX-License-Identifier: MIT */
#include "vmm/pci/firmware.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <linux/pci.h>
#include <stdlib.h>
#include <string.h>

/*
 * Functions that consist of registers and masks. An access reaches bus 0, or the bus of a bridge's
 * secondary number.
 */
struct fake {
	int above; /* index of the bridge above; -1: bus 0 */
	unsigned devfn;
	uint8_t regs[256];
	uint8_t mask[256];
};

static struct fake fakes[80];
static size_t count;
static unsigned wrote_bar_decoding; /* BARs written while the decoder was on */

static struct fake *find(unsigned bus, unsigned devfn)
{
	for (size_t i = 0; i < count; i++) {
		struct fake *f = &fakes[i];
		unsigned at = f->above < 0 ? 0 : fakes[f->above].regs[PCI_SECONDARY_BUS];
		if (f->devfn == devfn && at == bus && (f->above < 0 || bus))
			return f;
	}
	return NULL;
}

static uint32_t fake_read(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	struct fake *f = find(bus, devfn);

	return f ? (uint32_t)le_get(f->regs + off, size) : (uint32_t)all_ones(size);
}

static void fake_write(
	void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t value)
{
	struct fake *f = find(bus, devfn);

	if (!f)
		return;
	if (off >= PCI_BASE_ADDRESS_0 && off < PCI_BASE_ADDRESS_0 + 8 &&
		le16_get(f->regs + PCI_COMMAND) & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
		wrote_bar_decoding++;
	for (unsigned i = 0; i < size; i++) {
		uint8_t m = f->mask[off + i];
		f->regs[off + i] =
			(uint8_t)((f->regs[off + i] & ~m) | ((value >> (8 * i)) & 0xff & m));
	}
}

static const struct firmware_access fake_access = {.read = fake_read, .write = fake_write};

static int add(int above, unsigned slot, unsigned fn, uint8_t type)
{
	struct fake *f = &fakes[count];

	*f = (struct fake){.above = above, .devfn = PCI_DEVFN(slot, fn)};
	le32_put(f->regs + PCI_VENDOR_ID, 0x00011234);
	le16_put(f->mask + PCI_COMMAND, 0x0547);
	f->regs[PCI_HEADER_TYPE] = type;
	if ((type & 0x7f) == PCI_HEADER_TYPE_BRIDGE) {
		le32_put(f->mask + PCI_PRIMARY_BUS, 0x00ffffff);
		le16_put(f->mask + PCI_IO_BASE, 0xf0f0);
		le32_put(f->mask + PCI_MEMORY_BASE, 0xfff0fff0);
		le32_put(f->mask + PCI_PREF_MEMORY_BASE, 0xfff0fff0);
		le64_put(f->mask + PCI_PREF_BASE_UPPER32, UINT64_MAX);
	}
	return (int)count++;
}

static void bar(int i, unsigned n, uint64_t size, uint32_t flags)
{
	struct fake *f = &fakes[i];
	uint64_t mask = ~(size - 1);

	le32_put(f->regs + PCI_BASE_ADDRESS_0 + 4 * n, flags);
	le32_put(f->mask + PCI_BASE_ADDRESS_0 + 4 * n, (uint32_t)mask & ~0xfU);
	if (flags & PCI_BASE_ADDRESS_SPACE_IO)
		le32_put(f->mask + PCI_BASE_ADDRESS_0 + 4 * n, (uint32_t)mask & 0xfffc);
	if (flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
		le32_put(f->mask + PCI_BASE_ADDRESS_0 + 4 * n + 4, (uint32_t)(mask >> 32));
}

static uint64_t base_of(int i, unsigned n)
{
	const struct fake *f = &fakes[i];
	uint32_t low = le32_get(f->regs + PCI_BASE_ADDRESS_0 + 4 * n);
	uint64_t high = 0;

	if (low & PCI_BASE_ADDRESS_SPACE_IO)
		return low & ~3U;
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		high = le32_get(f->regs + PCI_BASE_ADDRESS_0 + 4 * n + 4);
	return high << 32 | (low & ~0xfU);
}

#define PREF64 (PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)

static const struct pci_windows windows = {
	.io = {.base = 0x1000, .size = 0xf000},
	.mem32 = {.base = 0xc0000000, .size = 0x28000000},
	.mem64 = {.base = GIB(16), .size = GIB(512)},
};

static struct firmware_result place(void)
{
	struct firmware_result r;

	wrote_bar_decoding = 0;
	ck_assert_int_eq(firmware_place(&fake_access, &windows, &r, NULL), 0);
	ck_assert_uint_eq(wrote_bar_decoding, 0);
	return r;
}

static uint64_t mem_base(int i)
{
	return (uint64_t)le16_get(fakes[i].regs + PCI_MEMORY_BASE) << 16;
}

static uint64_t mem_limit(int i)
{
	return (uint64_t)le16_get(fakes[i].regs + PCI_MEMORY_LIMIT) << 16 | 0xfffff;
}

static uint64_t pref_base(int i)
{
	return (uint64_t)le32_get(fakes[i].regs + PCI_PREF_BASE_UPPER32) << 32 |
	       (uint64_t)(le16_get(fakes[i].regs + PCI_PREF_MEMORY_BASE) & 0xfff0) << 16;
}

static uint64_t pref_limit(int i)
{
	return (uint64_t)le32_get(fakes[i].regs + PCI_PREF_LIMIT_UPPER32) << 32 |
	       (uint64_t)(le16_get(fakes[i].regs + PCI_PREF_MEMORY_LIMIT) & 0xfff0) << 16 | 0xfffff;
}

static void expect_in(uint64_t base, uint64_t size, uint64_t first, uint64_t last)
{
	ck_assert_uint_ne(base, 0);
	ck_assert_uint_eq(base & (size - 1), 0);
	ck_assert_uint_ge(base, first);
	ck_assert_uint_le(base + size - 1, last);
}

START_TEST(numbers_buses_depth_first)
{
	count = 0;
	(void)add(-1, 0, 0, PCI_HEADER_TYPE_NORMAL);
	int p1 = add(-1, 1, 0, PCI_HEADER_TYPE_BRIDGE);
	int p2 = add(-1, 2, 0, PCI_HEADER_TYPE_BRIDGE);
	int below = add(p1, 0, 0, PCI_HEADER_TYPE_BRIDGE);
	(void)add(below, 0, 0, PCI_HEADER_TYPE_NORMAL);
	(void)add(p2, 0, 0, PCI_HEADER_TYPE_NORMAL);
	ck_assert_uint_eq(place().buses, 4);
	ck_assert_uint_eq(le32_get(fakes[p1].regs + PCI_PRIMARY_BUS) & 0xffffff, 0x020100);
	ck_assert_uint_eq(le32_get(fakes[below].regs + PCI_PRIMARY_BUS) & 0xffffff, 0x020201);
	ck_assert_uint_eq(le32_get(fakes[p2].regs + PCI_PRIMARY_BUS) & 0xffffff, 0x030300);
	/* Bridges forward. Functions do not decode until their driver enables them. */
	ck_assert_uint_eq(le16_get(fakes[p2].regs + PCI_COMMAND), 7);
	ck_assert_uint_eq(le16_get(fakes[5].regs + PCI_COMMAND), 0);
}
END_TEST

START_TEST(each_kind_in_its_window)
{
	count = 0;
	int p = add(-1, 1, 0, PCI_HEADER_TYPE_BRIDGE);
	int f = add(p, 0, 0, PCI_HEADER_TYPE_NORMAL);
	bar(f, 0, KIB(16), PCI_BASE_ADDRESS_MEM_TYPE_64); /* not prefetchable: below 4 GiB */
	bar(f, 2, GIB(8), PREF64);
	bar(f, 4, MIB(16), PCI_BASE_ADDRESS_MEM_PREFETCH); /* 32 bits: below 4 GiB */
	bar(f, 5, 128, PCI_BASE_ADDRESS_SPACE_IO);
	le32_put(fakes[f].mask + PCI_ROM_ADDRESS, 0xfffe0001);
	/* The decoders were on, as after other firmware. */
	le16_put(fakes[f].regs + PCI_COMMAND, 7);
	struct firmware_result r = place();
	ck_assert_uint_eq(r.placed, 5);
	ck_assert_uint_eq(r.unplaced, 0);
	expect_in(base_of(f, 0), KIB(16), mem_base(p), mem_limit(p));
	expect_in(base_of(f, 2), GIB(8), pref_base(p), pref_limit(p));
	expect_in(base_of(f, 4), MIB(16), mem_base(p), mem_limit(p));
	expect_in(base_of(f, 5), 128, 0x1000, 0x1fff);
	uint64_t rom = le32_get(fakes[f].regs + PCI_ROM_ADDRESS);
	expect_in(rom, KIB(128), mem_base(p), mem_limit(p)); /* and its enable bit is off */
	ck_assert_uint_ge(mem_base(p), windows.mem32.base);
	ck_assert_uint_ge(pref_base(p), windows.mem64.base);
	ck_assert_uint_eq(fakes[p].regs[PCI_IO_BASE], 0x10);
	ck_assert_uint_eq(fakes[p].regs[PCI_IO_LIMIT], 0x10);
}
END_TEST

START_TEST(nothing_overlaps)
{
	static const uint64_t sizes[] = {
		4096, MIB(1), MIB(64), KIB(8), MIB(2), GIB(1), 64, MIB(32)};
	uint64_t first[80], last[80];
	size_t n = 0;

	count = 0;
	for (unsigned i = 0; i < 31; i++) {
		int p = add(-1, i + 1, 0, PCI_HEADER_TYPE_BRIDGE);
		int f = add(p, 0, 0, PCI_HEADER_TYPE_NORMAL);
		bar(f, 0, sizes[(i + 6) % 4], 0);
		bar(f, 2, sizes[i % 8], PREF64);
	}
	ck_assert_uint_eq(place().unplaced, 0);
	for (size_t i = 1; i < count; i += 2) {
		first[n] = base_of((int)i, 0);
		last[n++] = base_of((int)i, 0) + sizes[((i / 2) + 6) % 4] - 1;
		first[n] = base_of((int)i, 2);
		last[n++] = base_of((int)i, 2) + sizes[(i / 2) % 8] - 1;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(
				first[i] > last[k] || first[k] > last[i], "%zu and %zu", i, k);
	/* Windows of different bridges do not overlap: each contains the BARs below it alone. */
	for (size_t i = 0; i < count; i += 2)
		for (size_t k = 1; k < count; k += 2)
			if (k != i + 1)
				ck_assert(base_of((int)k, 2) < pref_base((int)i) ||
					  base_of((int)k, 2) > pref_limit((int)i));
}
END_TEST

START_TEST(want_of_space_is_told)
{
	count = 0;
	int p = add(-1, 1, 0, PCI_HEADER_TYPE_BRIDGE);
	int f = add(p, 0, 0, PCI_HEADER_TYPE_NORMAL);
	int q = add(-1, 2, 0, PCI_HEADER_TYPE_BRIDGE);
	int g = add(q, 0, 0, PCI_HEADER_TYPE_NORMAL);
	bar(f, 0, GIB(1), 0); /* more than the 640 MiB below 4 GiB */
	bar(g, 0, MIB(256), 0);
	bar(g, 2, GIB(1024), PREF64);
	struct firmware_result r = place();
	ck_assert_uint_eq(r.placed, 1);
	ck_assert_uint_eq(r.unplaced, 2);
	ck_assert_uint_eq(base_of(f, 0), 0);
	ck_assert_uint_eq(base_of(g, 2), 0);
	expect_in(base_of(g, 0), MIB(256), 0xc0000000, 0xe7ffffff);
	/* A bridge whose BARs were not placed has a closed window. */
	ck_assert_uint_gt(mem_base(p), mem_limit(p));
	ck_assert_uint_gt(pref_base(q), pref_limit(q));
}
END_TEST

START_TEST(functions_of_one_slot)
{
	count = 0;
	int p = add(-1, 1, 0, PCI_HEADER_TYPE_BRIDGE);
	int f0 = add(p, 0, 0, PCI_HEADER_TYPE_NORMAL | 0x80);
	int f3 = add(p, 0, 3, PCI_HEADER_TYPE_NORMAL);
	int lone = add(-1, 2, 0, PCI_HEADER_TYPE_NORMAL);
	int hidden = add(-1, 2, 1, PCI_HEADER_TYPE_NORMAL);
	bar(f0, 0, 4096, 0);
	bar(f3, 0, 4096, 0);
	bar(lone, 0, 4096, 0);
	bar(hidden, 0, 4096, 0); /* slot 2 is not marked as multifunction */
	ck_assert_uint_eq(place().placed, 3);
	expect_in(base_of(f3, 0), 4096, mem_base(p), mem_limit(p));
	ck_assert_uint_eq(base_of(hidden, 0), 0);
}
END_TEST

START_TEST(too_many_buses)
{
	struct firmware_result r;
	struct err e;
	int above = -1;

	count = 0;
	for (unsigned i = 0; i < PCI_BUSES_MAX - 1; i++)
		above = add(above, above < 0, 0, PCI_HEADER_TYPE_BRIDGE);
	ck_assert_int_eq(firmware_place(&fake_access, &windows, &r, &e), 0);
	ck_assert_uint_eq(r.buses, PCI_BUSES_MAX);
	(void)add(above, 0, 0, PCI_HEADER_TYPE_BRIDGE);
	ck_assert_int_eq(firmware_place(&fake_access, &windows, &r, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "more than 64"));
}
END_TEST

SUITE("firmware", numbers_buses_depth_first, each_kind_in_its_window, nothing_overlaps,
	want_of_space_is_told, functions_of_one_slot, too_many_buses)
