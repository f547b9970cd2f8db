/* SPDX-License-Identifier: MIT */
#include "pci/address.h"

#include "suite.h"

#include <errno.h>

START_TEST(parses_what_the_kernel_prints)
{
	struct pci_address a;
	char text[PCI_ADDRESS_TEXT];

	ck_assert_int_eq(pci_address_parse("0000:3b:1f.7", &a), 0);
	ck_assert_uint_eq(a.domain, 0);
	ck_assert_uint_eq(a.bus, 0x3b);
	ck_assert_uint_eq(a.dev, 31);
	ck_assert_uint_eq(a.fn, 7);
	ck_assert_str_eq(pci_address_format(a, text), "0000:3b:1f.7");
	ck_assert_int_eq(pci_address_parse("10000:E1:00.0", &a), 0);
	ck_assert_str_eq(pci_address_format(a, text), "10000:e1:00.0");
	ck_assert_int_eq(pci_address_parse("ffffffff:ff:1f.7", &a), 0);
	ck_assert_str_eq(pci_address_format(a, text), "ffffffff:ff:1f.7");
	ck_assert_int_eq(pci_address_parse("01:00.0", &a), 0);
	ck_assert_str_eq(pci_address_format(a, text), "0000:01:00.0");
}
END_TEST

START_TEST(refuses_all_else)
{
	static const char *const bad[] = {
		"",
		"01",
		"01:00",
		"1:00.0",
		"01:0.0",
		"01:00.8",
		"01:20.0",
		"001:00.0",
		"01:00.00",
		"000:01:00.0",
		"123456789:01:00.0",
		"0000:01:00.0 ",
		" 01:00.0",
		"0000:01:00:0",
		"0000-01:00.0",
		"0x00:01:00.0",
		"+000:01:00.0",
		":01:00.0",
		"0000:01:00.",
		"01:g0.0",
		"0000:0000:01:00.0",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pci_address a = {.domain = 77};

		ck_assert_msg(pci_address_parse(bad[i], &a) == -EINVAL, "'%s' was taken", bad[i]);
		ck_assert_uint_eq(a.domain, 77);
	}
}
END_TEST

START_TEST(orders_by_every_part)
{
	static const char *const sorted[] = {
		"0000:00:00.0",
		"0000:00:00.1",
		"0000:00:01.0",
		"0000:01:00.0",
		"0001:00:00.0",
		"10000:00:00.0",
	};
	struct pci_address a, b;

	for (size_t i = 1; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
		ck_assert_int_eq(pci_address_parse(sorted[i - 1], &a), 0);
		ck_assert_int_eq(pci_address_parse(sorted[i], &b), 0);
		ck_assert_int_lt(pci_address_compare(a, b), 0);
		ck_assert_int_gt(pci_address_compare(b, a), 0);
		ck_assert(!pci_address_equal(a, b));
		ck_assert(pci_address_equal(a, a));
	}
}
END_TEST

START_TEST(functions_of_one_device)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"0000:01:02.0", "0000:01:02.7", true},
		{"0000:01:02.3", "0000:01:02.3", true},
		{"0000:01:02.0", "0000:01:03.0", false},
		{"0000:01:02.0", "0000:02:02.0", false},
		{"0000:01:02.0", "0001:01:02.0", false},
	};
	struct pci_address a, b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(pci_address_parse(cases[i].a, &a), 0);
		ck_assert_int_eq(pci_address_parse(cases[i].b, &b), 0);
		ck_assert_int_eq(pci_address_same_slot(a, b), cases[i].same);
		ck_assert_int_eq(pci_address_same_slot(b, a), cases[i].same);
	}
}
END_TEST

SUITE("address", parses_what_the_kernel_prints, refuses_all_else, orders_by_every_part,
	functions_of_one_device)
