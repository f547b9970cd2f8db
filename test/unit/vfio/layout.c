/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "pci/aperture.h"
#include "suite.h"
#include "vfio/layout_rules.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SPAN(from, to) ((struct vfio_span){.first = {from}, .last = {to}})
#define MSI_FIRST UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)
#define HT_FIRST UINT64_C(0xfd00000000)
#define TIB(n) ((uint64_t)(n) << 40)

/* What an IOMMU of @bits translates: all but MSIs and, on AMD, HyperTransport. Return: how many. */
static size_t translates(unsigned bits, bool amd, struct vfio_span ret[3])
{
	ret[0] = SPAN(0, MSI_FIRST - 1);
	ret[1] = SPAN(MSI_LAST + 1, low_bits(bits));
	if (!amd || bits < 40)
		return 2;
	ret[1].last.v = HT_FIRST - 1;
	ret[2] = SPAN(TIB(1), low_bits(bits));
	return bits == 40 ? 2 : 3;
}

static struct layout make_layout(
	uint64_t size, unsigned bits, const struct vfio_span *usable, size_t count)
{
	const struct layout_cpu cpu = {.phys_bits = bits};
	struct layout l;
	struct err e = {0};

	ck_assert_msg(layout_make(size, &cpu, usable, count, &l, &e) == 0, "%s", e.msg);
	layout_check(&l, size, &cpu, usable, count);
	return l;
}

START_TEST(low_memory_first)
{
	struct vfio_span intel[3];
	size_t count = translates(39, false, intel);
	struct layout l = make_layout(MIB(256), 46, NULL, 0);

	ck_assert_uint_eq(l.count, 1);
	ck_assert_uint_eq(l.ram[0].base, 0);
	ck_assert_uint_eq(l.bits, 46);
	ck_assert_uint_eq(l.mem64.base, GIB(16));
	l = make_layout(GIB(8), 46, intel, count);
	ck_assert_uint_eq(l.count, 2);
	ck_assert_uint_eq(l.ram[0].size, GIB(3));
	ck_assert_uint_eq(l.ram[1].base, GIB(4));
	ck_assert_uint_eq(l.ram[1].size, GIB(5));
	ck_assert_uint_eq(l.bits, 39);
	ck_assert_uint_eq(l.mem64.base, GIB(16));
	ck_assert_uint_eq(l.mem64.base + l.mem64.size, 1ULL << 39);
	(void)make_layout(MIB(4), 36, NULL, 0);
	(void)make_layout(KIB(5000), 36, NULL, 0);
}
END_TEST

START_TEST(goes_around_what_the_iommu_keeps)
{
	const struct vfio_span holes[] = {SPAN(0, MIB(512) - 1), SPAN(MIB(512) + 4096, 0xfedfffff),
		SPAN(0xfef00000, GIB(6) - 1), SPAN(GIB(7), (1ULL << 48) - 1)};
	struct layout l = make_layout(GIB(8), 46, holes, COUNT(holes));

	ck_assert_uint_eq(l.count, 4);
	ck_assert_uint_eq(l.ram[0].size, MIB(512));
	ck_assert_uint_eq(l.ram[1].base, MIB(514));
	ck_assert_uint_eq(l.ram[2].base, GIB(4));
	ck_assert_uint_eq(l.ram[2].size, GIB(2));
	ck_assert_uint_eq(l.ram[3].base, GIB(7));
}
END_TEST

/*
 * The largest guest, and the cards of 256 GiB and of 128 GiB, each alone, that find room beside
 * some RAM. A row is a processor and an IOMMU; IOMMU 0: a guest without devices.
 */
START_TEST(big_guests_and_big_bars)
{
	static const struct {
		unsigned cpu, iommu;
		bool amd;
		uint64_t ram;
		size_t big, half; /* how many find room, of 8 */
	} rows[] = {
		/* Before, nothing lay above 1012 GiB: 512 GiB of RAM left room for no card. */
		{52, 57, false, GIB(512), 8, 8},
		{52, 57, false, TIB(4), 8, 8},
		{52, 48, false, TIB(4), 8, 8},
		{46, 48, false, GIB(512), 8, 8},
		{46, 57, false, TIB(1), 8, 8},
		{48, 48, true, GIB(512), 8, 8},
		{48, 64, true, GIB(1020), 8, 8},
		{52, 64, true, TIB(4), 8, 8},
		{43, 64, true, TIB(2), 8, 8},
		{52, 0, false, TIB(2), 8, 8},
		{48, 0, true, TIB(2), 8, 8},
		/* 512 GiB of addresses. */
		{46, 39, false, GIB(8), 1, 3},
		{39, 39, false, GIB(200), 1, 2},
		{39, 48, false, GIB(250), 1, 2},
		{39, 39, false, GIB(300), 0, 1},
		{39, 39, false, GIB(400), 0, 0},
		/* The 40 bits of QEMU's processors: 1012 GiB on AMD. */
		{40, 64, true, GIB(64), 2, 6},
		{40, 64, false, GIB(64), 3, 7},
	};
	struct vfio_span usable[3];
	struct layout l;
	struct err e = {0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct layout_cpu cpu = {.phys_bits = rows[i].cpu, .amd = rows[i].amd};
		size_t count = rows[i].iommu ? translates(rows[i].iommu, rows[i].amd, usable) : 0;
		ck_assert_msg(layout_make(rows[i].ram, &cpu, usable, count, &l, &e) == 0,
			"row %zu: %s", i, e.msg);
		layout_check(&l, rows[i].ram, &cpu, usable, count);
		for (uint64_t size = GIB(128); size <= GIB(256); size *= 2) {
			struct pci_claim cards[8];
			for (size_t k = 0; k < COUNT(cards); k++)
				cards[k] = (struct pci_claim){.size = size, .align = size};
			size_t placed = COUNT(cards) - pci_aperture_place(cards, COUNT(cards),
							       l.mem64.base, l.mem64.size);
			ck_assert_msg(placed == (size == GIB(256) ? rows[i].big : rows[i].half),
				"row %zu: %zu of %u GiB, in 0x%" PRIx64 " + %u GiB", i, placed,
				(unsigned)(size >> 30), l.mem64.base,
				(unsigned)(l.mem64.size >> 30));
		}
	}
}
END_TEST

/* Every processor, IOMMU, vendor and size: what is laid out keeps the rules. */
START_TEST(keeps_the_rules_everywhere)
{
	static const unsigned cpus[] = {36, 39, 40, 43, 46, 48, 52};
	static const unsigned iommus[] = {0, 20, 28, 30, 31, 32, 36, 39, 46, 48, 57, 64};
	static const uint64_t sizes[] = {MIB(4), MIB(64), GIB(1), GIB(3), GIB(4), GIB(60), GIB(500),
		GIB(1000), GIB(1012), GIB(1024), TIB(5), TIB(63), TIB(100)};
	unsigned fits = 0;

	for (size_t n = 0; n < COUNT(cpus) * COUNT(iommus) * COUNT(sizes) * 2; n++) {
		const struct layout_cpu cpu = {
			.phys_bits = cpus[n / 2 % COUNT(cpus)], .amd = n & 1};
		unsigned iommu = iommus[n / 2 / COUNT(cpus) % COUNT(iommus)];
		uint64_t size = sizes[n / 2 / COUNT(cpus) / COUNT(iommus)];
		struct vfio_span usable[3] = {SPAN(0, low_bits(iommu))};
		size_t count = iommu > 32 ? translates(iommu, cpu.amd, usable) : iommu != 0;
		struct layout l;
		struct err e = {0};
		if (layout_make(size, &cpu, usable, count, &l, &e) < 0) {
			ck_assert_int_ne(e.msg[0], 0);
			continue;
		}
		layout_check(&l, size, &cpu, usable, count);
		fits++;
	}
	ck_assert_uint_gt(fits, 1000);
}
END_TEST

START_TEST(only_amd_has_hypertransport)
{
	const struct layout_cpu amd = {.phys_bits = 48, .amd = true}, intel = {.phys_bits = 48};
	struct vfio_span usable[3];
	size_t count = translates(48, true, usable);
	struct layout l;

	ck_assert_int_eq(layout_make(GIB(1020), &amd, usable, count, &l, NULL), 0);
	ck_assert_uint_eq(l.ram[1].base + l.ram[1].size, HT_FIRST);
	ck_assert_uint_eq(l.ram[2].base, TIB(1));
	/* Later generations have it at the end of their addresses. */
	ck_assert_uint_eq(l.mem64.base, TIB(32));
	ck_assert_uint_eq(l.mem64.base + l.mem64.size, TIB(64) - GIB(12));
	ck_assert_int_eq(layout_make(GIB(1020), &intel, NULL, 0, &l, NULL), 0);
	ck_assert_uint_eq(l.count, 2);
	ck_assert_uint_eq(l.mem64.base + l.mem64.size, TIB(64));
}
END_TEST

/* Devices that reach less than 4 GiB get RAM that they reach; the processor needs 32 bits. */
START_TEST(narrow_iommus_reach_all_ram)
{
	const struct vfio_span narrow[] = {SPAN(0, GIB(2) - MIB(1))};
	struct layout l = make_layout(GIB(1), 46, narrow, 1);
	struct err e = {0};

	ck_assert_uint_eq(l.bits, 32);
	ck_assert_uint_eq(l.mem64.size, 0);
	ck_assert_int_eq(
		layout_make(GIB(2), &(struct layout_cpu){.phys_bits = 46}, narrow, 1, &l, &e),
		-ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "2048 MiB do not fit into addresses of 31 bits"));
}
END_TEST

START_TEST(says_when_it_does_not_fit)
{
	const struct vfio_span low[] = {SPAN(MIB(16), UINT64_MAX)};
	const struct layout_cpu small = {.phys_bits = 36}, smallest = {.phys_bits = 32};
	const struct layout_cpu big = {.phys_bits = 52};
	struct vfio_span pieces[40];
	struct layout l;
	struct err e = {0};

	ck_assert_int_eq(layout_make(GIB(64), &small, NULL, 0, &l, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "36 bits"));
	ck_assert_int_eq(layout_make(GIB(8), &smallest, NULL, 0, &l, NULL), -ENOSPC);
	ck_assert_int_eq(layout_make(MIB(256), &big, low, 1, &l, &e), -EADDRINUSE);
	ck_assert_int_eq(layout_make(TIB(80), &big, NULL, 0, &l, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "46 bits"));
	for (size_t i = 0; i < COUNT(pieces); i++)
		pieces[i] = SPAN(i * MIB(66), i * MIB(66) + MIB(64) - 1);
	ck_assert_int_eq(layout_make(GIB(2), &big, pieces, COUNT(pieces), &l, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "more than 16 pieces"));
}
END_TEST

SUITE("layout", low_memory_first, goes_around_what_the_iommu_keeps, big_guests_and_big_bars,
	keeps_the_rules_everywhere, only_amd_has_hypertransport, narrow_iommus_reach_all_ram,
	says_when_it_does_not_fit)
