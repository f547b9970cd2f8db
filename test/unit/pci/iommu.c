/* SPDX-License-Identifier: MIT */
#include "pci/iommu.h"

#include "replay.h"

#include <string.h>

static enum pci_iommu state_of(const char *text, struct err *e)
{
	struct host *h = replay_lines(text);
	enum pci_iommu s = pci_iommu_state(h);

	pci_iommu_explain(h, s, e);
	host_close(h);
	return s;
}

START_TEST(tells_on_from_off)
{
	struct err e = {0};

	ck_assert_int_eq(state_of("dir /sys/kernel/iommu_groups/0\n", &e), PCI_IOMMU_ON);
	ck_assert_int_eq(state_of("link /sys/class/iommu/dmar0 ../x\n", &e), PCI_IOMMU_ON);
	ck_assert_int_eq(e.code, 0);
}
END_TEST

START_TEST(tells_firmware_from_kernel)
{
	struct err e = {0};

	ck_assert_int_eq(state_of("dir /sys/kernel/iommu_groups\n"
				  "dir /sys/firmware/acpi/tables/FACP\n",
				 &e),
		PCI_IOMMU_FIRMWARE);
	ck_assert_ptr_nonnull(strstr(e.hint, "firmware setup"));
	ck_assert_int_eq(state_of("file /sys/firmware/acpi/tables/DMAR x\n", &e), PCI_IOMMU_KERNEL);
	ck_assert_ptr_nonnull(strstr(e.hint, "intel_iommu=on"));
	/* The kernel has no option 'amd_iommu=on': a hint must not recommend it. */
	ck_assert_int_eq(state_of("file /sys/firmware/acpi/tables/IVRS x\n", &e), PCI_IOMMU_KERNEL);
	ck_assert_ptr_null(strstr(e.hint, "amd_iommu=on"));
	ck_assert_ptr_nonnull(strstr(e.hint, "amd_iommu=off"));
}
END_TEST

SUITE("iommu", tells_on_from_off, tells_firmware_from_kernel)
