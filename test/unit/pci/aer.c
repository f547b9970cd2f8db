/* SPDX-License-Identifier: MIT */
#include "pci/aer.h"

#include "replay.h"

#include <errno.h>

#define AT "file /sys/bus/pci/devices/0000:01:00.0/"

static const struct pci_address card = {.bus = 1};

START_TEST(counts_and_names_what_is_not_zero)
{
	struct host *h = replay_lines(
		AT "aer_dev_correctable RxErr 3\\nBadTLP 0\\nBadDLLP 1\\nTOTAL_ERR_COR 4\\n\n" AT
		   "aer_dev_fatal Undefined 0\\nDLP 0\\nTOTAL_ERR_FATAL 0\\n\n");
	struct pci_aer_count c;

	ck_assert_int_eq(pci_aer_read(h, card, PCI_AER_CORRECTABLE, &c), 0);
	ck_assert_uint_eq(c.total, 4);
	ck_assert_str_eq(c.names, "RxErr 3, BadDLLP 1");
	ck_assert_int_eq(pci_aer_read(h, card, PCI_AER_FATAL, &c), 0);
	ck_assert_uint_eq(c.total, 0);
	ck_assert_str_eq(c.names, "");
	host_close(h);
}
END_TEST

START_TEST(knows_functions_that_count_nothing)
{
	struct host *h = replay_lines(AT "aer_dev_fatal nonsense\n");
	struct pci_aer_count c;

	ck_assert_int_eq(pci_aer_read(h, card, PCI_AER_NONFATAL, &c), -ENOENT);
	ck_assert_int_eq(pci_aer_read(h, card, PCI_AER_FATAL, &c), -EPROTO);
	host_close(h);
}
END_TEST

SUITE("aer", counts_and_names_what_is_not_zero, knows_functions_that_count_nothing)
