/* SPDX-License-Identifier: MIT */
#include "pci/device.h"

#include "pci/group.h"
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct pci_address address_at(const char *text)
{
	struct pci_address a = {0};

	ck_assert_int_eq(pci_address_parse(text, &a), 0);
	return a;
}

START_TEST(reads_every_field)
{
	struct host *h = replay_fixture("desktop");
	struct pci_device d;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, address_at("01:00.0"), &d, &e), 0);
	ck_assert_uint_eq(d.vendor, 0x10de);
	ck_assert_uint_eq(d.device, 0x2484);
	ck_assert_uint_eq(d.subvendor, 0x1458);
	ck_assert_uint_eq(d.subdevice, 0x404c);
	ck_assert_uint_eq(d.class, 0x030000);
	ck_assert_uint_eq(d.revision, 0xa1);
	ck_assert_int_eq(d.group, 1);
	ck_assert_int_eq(d.numa_node, -1);
	ck_assert_str_eq(d.driver, "nouveau");
	ck_assert_str_eq(d.driver_override, "");
	ck_assert_str_eq(d.reset_method, "bus");
	ck_assert(!d.is_bridge);
	ck_assert_int_eq(pci_device_read(h, address_at("00:01.0"), &d, &e), 0);
	ck_assert(d.is_bridge);
	host_close(h);
}
END_TEST

/* The kernel shows this under a lock that a hanging driver keeps, so a listing must not read it. */
START_TEST(lists_without_the_override)
{
	struct host *h = replay_fixture("server");
	struct pci_device *list = NULL, d;
	size_t count = 0, bound = 0;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, address_at("c3:00.0"), &d, &e), 0);
	ck_assert_str_eq(d.driver_override, "vfio-pci");
	ck_assert_int_eq(pci_device_list(h, &list, &count, &e), 0);
	for (size_t i = 0; i < count; i++) {
		ck_assert_str_eq(list[i].driver_override, "");
		bound += strcmp(list[i].driver, "vfio-pci") == 0;
	}
	ck_assert_uint_eq(bound, 2);
	free(list);
	host_close(h);
}
END_TEST

START_TEST(says_what_is_not_there)
{
	struct host *h = replay_fixture("desktop");
	struct pci_device d = {.vendor = 0x77};
	struct pci_group g;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, address_at("09:00.0"), &d, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "0000:09:00.0: there is no such PCI device");
	ck_assert_uint_eq(d.vendor, 0x77);
	ck_assert_int_eq(pci_group_read(h, 99, &g, &e), -ENOENT);
	ck_assert_str_eq(e.msg, "there is no IOMMU group 99");
	host_close(h);
}
END_TEST

START_TEST(lists_in_order)
{
	struct host *h = replay_fixture("desktop");
	struct pci_device *list = NULL;
	size_t count = 0;
	struct err e = {0};

	ck_assert_int_eq(pci_device_list(h, &list, &count, &e), 0);
	ck_assert_uint_eq(count, 10);
	for (size_t i = 1; i < count; i++)
		ck_assert_int_lt(pci_address_compare(list[i - 1].address, list[i].address), 0);
	free(list);
	host_close(h);
}
END_TEST

START_TEST(reads_groups)
{
	struct host *h = replay_fixture("bridge");
	struct pci_group g;
	struct err e = {0};

	ck_assert_int_eq(pci_group_read(h, 2, &g, &e), 0);
	ck_assert_uint_eq(g.count, 3);
	ck_assert_int_eq(g.number, 2);
	ck_assert(g.members[0].is_bridge);
	ck_assert_str_eq(g.members[1].driver, "e1000");
	ck_assert_str_eq(g.members[2].driver, "");
	pci_group_fini(&g);
	ck_assert_ptr_null(g.members);
	host_close(h);
}
END_TEST

START_TEST(works_without_an_iommu)
{
	struct host *h = replay_fixture("laptop");
	struct pci_device d;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, address_at("04:00.0"), &d, &e), 0);
	ck_assert_int_eq(d.group, PCI_GROUP_NONE);
	ck_assert_str_eq(d.driver, "nvme");
	host_close(h);
}
END_TEST

START_TEST(lists_the_live_machine)
{
	struct pci_device *list = NULL;
	size_t count = 0;
	struct err e = {0};

	int r = pci_device_list(host_live(), &list, &count, &e);
	ck_assert_msg(r == 0 || r == -ENOENT, "%s", e.msg); /* a container may have no PCI bus */
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_ne(list[i].vendor, 0);
	free(list);
}
END_TEST

START_TEST(knows_what_is_above)
{
	struct host *h = replay_fixture("server");
	struct pci_device d;

	ck_assert_int_eq(pci_device_read(h, address_at("c1:00.0"), &d, NULL), 0);
	ck_assert(d.has_parent);
	ck_assert(pci_address_equal(d.parent, address_at("c0:01.1")));
	ck_assert_int_eq(pci_device_read(h, address_at("c0:01.1"), &d, NULL), 0);
	ck_assert(!d.has_parent);
	host_close(h);
}
END_TEST

SUITE("device", knows_what_is_above, reads_every_field, lists_without_the_override,
	says_what_is_not_there, lists_in_order, reads_groups, works_without_an_iommu,
	lists_the_live_machine)
