/* SPDX-License-Identifier: MIT */
#include "vfio/layout.h"

#include "base/err.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

#define SPAN(from, to) ((struct vfio_span){.first = {from}, .last = {to}})

/* VT-d with 39 bits: all but the window of MSIs. */
static const struct vfio_span intel[] = {{{0}, {0xfedfffff}}, {{0xfef00000}, {(1ULL << 39) - 1}}};

static struct layout made(
	uint64_t size, unsigned bits, const struct vfio_span *usable, size_t count)
{
	struct layout l;
	struct err e = {0};
	uint64_t sum = 0;

	ck_assert_msg(layout_make(size, bits, usable, count, &l, &e) == 0, "%s", e.msg);
	for (size_t i = 0; i < l.count; i++) {
		ck_assert_uint_ne(l.ram[i].size, 0);
		if (i)
			ck_assert_uint_gt(l.ram[i].base, l.ram[i - 1].base + l.ram[i - 1].size);
		sum += l.ram[i].size;
	}
	ck_assert_uint_eq(sum, size);
	return l;
}

START_TEST(low_memory_first)
{
	struct layout l = made(MIB(256), 46, NULL, 0);

	ck_assert_uint_eq(l.count, 1);
	ck_assert_uint_eq(l.ram[0].base, 0);
	ck_assert_uint_eq(l.bits, 46);
	ck_assert_uint_eq(l.mem64.base, GIB(16));
	l = made(GIB(8), 46, intel, COUNT(intel));
	ck_assert_uint_eq(l.count, 2);
	ck_assert_uint_eq(l.ram[0].size, GIB(3));
	ck_assert_uint_eq(l.ram[1].base, GIB(4));
	ck_assert_uint_eq(l.ram[1].size, GIB(5));
	ck_assert_uint_eq(l.bits, 39);
	ck_assert_uint_eq(l.mem64.base, GIB(16));
	ck_assert_uint_eq(l.mem64.base + l.mem64.size, 1ULL << 39);
	(void)made(MIB(4), 36, NULL, 0);
	(void)made(KIB(5000), 36, NULL, 0);
}
END_TEST

START_TEST(goes_around_what_the_iommu_keeps)
{
	const struct vfio_span holes[] = {SPAN(0, MIB(512) - 1), SPAN(MIB(512) + 4096, 0xfedfffff),
		SPAN(0xfef00000, GIB(6) - 1), SPAN(GIB(7), (1ULL << 48) - 1)};
	struct layout l = made(GIB(8), 46, holes, COUNT(holes));

	ck_assert_uint_eq(l.count, 4);
	ck_assert_uint_eq(l.ram[0].size, MIB(512));
	ck_assert_uint_eq(l.ram[1].base, MIB(514));
	ck_assert_uint_eq(l.ram[2].base, GIB(4));
	ck_assert_uint_eq(l.ram[2].size, GIB(2));
	ck_assert_uint_eq(l.ram[3].base, GIB(7));
}
END_TEST

START_TEST(leaves_room_for_hypertransport)
{
	const struct vfio_span amd[] = {SPAN(0, 0xfedfffff), SPAN(0xfef00000, 0xfcffffffffULL),
		SPAN(0x10000000000ULL, UINT64_MAX)};
	struct layout l = made(GIB(32), 48, amd, COUNT(amd));

	ck_assert_uint_eq(l.bits, 48);
	ck_assert_uint_eq(l.mem64.base + l.mem64.size, 0xfd00000000ULL);
}
END_TEST

START_TEST(says_when_it_does_not_fit)
{
	const struct vfio_span low[] = {SPAN(MIB(16), UINT64_MAX)};
	struct layout l;
	struct err e = {0};

	ck_assert_int_eq(layout_make(GIB(64), 36, NULL, 0, &l, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "36 bits"));
	ck_assert_int_eq(layout_make(GIB(8), 32, NULL, 0, &l, NULL), -ENOSPC);
	ck_assert_int_eq(layout_make(MIB(256), 46, low, 1, &l, &e), -EADDRINUSE);
}
END_TEST

SUITE("layout", low_memory_first, goes_around_what_the_iommu_keeps, leaves_room_for_hypertransport,
	says_when_it_does_not_fit)
