/* SPDX-License-Identifier: MIT */
#include "pci/class.h"

#include "suite.h"

START_TEST(names_the_narrowest)
{
	ck_assert_str_eq(pci_class_name(0x010802), "NVM Express controller");
	ck_assert_str_eq(pci_class_name(0x010801), "non-volatile memory controller");
	ck_assert_str_eq(pci_class_name(0x018000), "mass storage controller");
	ck_assert_str_eq(pci_class_name(0x030000), "VGA controller");
	ck_assert_str_eq(pci_class_name(0x0c0330), "USB 3 controller (xHCI)");
	ck_assert_str_eq(pci_class_name(0x060400), "PCI bridge");
	ck_assert_str_eq(pci_class_name(0x00ff00), "unclassified device");
	ck_assert_str_eq(pci_class_name(0x770000), "unknown device");
}
END_TEST

/* Each base class has a name for the whole class. */
START_TEST(has_a_word_for_every_known_base)
{
	for (uint32_t base = 0; base <= 0x13; base++)
		ck_assert_str_ne(pci_class_name(base << 16 | 0xfeee), "unknown device");
}
END_TEST

SUITE("class", names_the_narrowest, has_a_word_for_every_known_base)
