/* SPDX-License-Identifier: MIT */
#include "pci/aperture.h"

#include "base/num.h"
#include "suite.h"

#define CLAIM(n) ((struct pci_claim){.size = (n), .align = (n)})

START_TEST(the_largest_comes_first)
{
	struct pci_claim c[] = {CLAIM(KIB(16)), CLAIM(MIB(16)), CLAIM(KIB(16)), CLAIM(MIB(1))};

	ck_assert_uint_eq(pci_aperture_place(c, 4, MIB(32), MIB(18)), 0);
	ck_assert_uint_eq(c[1].base, MIB(32));
	ck_assert_uint_eq(c[3].base, MIB(48));
	ck_assert_uint_eq(c[0].base, MIB(49));
	ck_assert_uint_eq(c[2].base, MIB(49) + KIB(16));
}
END_TEST

START_TEST(what_does_not_fit_is_left_out)
{
	struct pci_claim c[] = {CLAIM(MIB(16)), CLAIM(MIB(1))};

	ck_assert_uint_eq(pci_aperture_place(c, 2, MIB(1), MIB(16)), 1);
	ck_assert_uint_eq(c[0].base, 0);
	ck_assert_uint_eq(c[1].base, MIB(1));
	ck_assert_uint_eq(pci_aperture_place(c, 2, 0, 0), 2);
	/* The end of all addresses. */
	ck_assert_uint_eq(pci_aperture_place(c, 2, UINT64_MAX - KIB(8), KIB(8)), 2);
}
END_TEST

START_TEST(a_window_holds_what_is_behind_it)
{
	struct pci_claim c[] = {CLAIM(KIB(16)), CLAIM(MIB(4)), CLAIM(KIB(4))};
	struct pci_claim sum = pci_aperture_sum(c, 3, MIB(1));

	ck_assert_uint_eq(sum.size, MIB(5));
	ck_assert_uint_eq(sum.align, MIB(4));
	ck_assert_uint_eq(pci_aperture_place(c, 3, sum.align, sum.size), 0);
	sum = pci_aperture_sum(c, 0, MIB(1));
	ck_assert_uint_eq(sum.size, 0);
	ck_assert_uint_eq(sum.align, MIB(1));
}
END_TEST

SUITE("aperture", the_largest_comes_first, what_does_not_fit_is_left_out,
	a_window_holds_what_is_behind_it)
