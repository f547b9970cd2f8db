/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define NIC                                             \
	"link /sys/class/net/eth0 " BELOW "/net/eth0\n" \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/flags 0x1003\n"
#define OTHER "link /sys/class/net/eth1 ../../devices/pci0000:00/0000:03:00.0/net/eth1\n"
/* 192.0.2.0/24 is on eth0, 192.0.2.8/29 on eth1, everything else behind eth1. */
#define ROUTES                                                                  \
	"file /proc/net/route Iface Destination\\n"                             \
	"eth1 00000000 0102000A 0003 0 0 0 00000000 0 0 0\\n"                   \
	"eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\\n"                   \
	"eth1 080200C0 00000000 0001 0 0 0 F8FFFFFF 0 0 0\n"                    \
	"file /proc/net/ipv6_route 20010db8000000000000000000000000 20 "        \
	"00000000000000000000000000000000 00 00000000000000000000000000000000 " \
	"00000100 00000001 00000000 00000001 eth0\n"
#define MOUNTS "file /proc/self/mountinfo 22 1 0:20 / /proc rw shared:5 - proc proc rw\\n"

static struct pci_device nic_device(void)
{
	return (struct pci_device){
		.address = {.bus = 2}, .class = 0x020000, .group = 7, .driver = "e1000e"};
}

/* The answer of that name and weight among those about the device on that host. */
static bool comes_over(const char *text, bool absolute, bool unsure)
{
	struct pci_device d = nic_device();
	struct holds found = holds_ask(text, &d);
	bool seen = false;

	for (size_t i = 0; i < found.count; i++) {
		const struct hold *o = &found.list[i];
		seen = seen || (strstr(o->text, "comes over it") && strcmp(o->check, "net") == 0 &&
				       strcmp(o->object, "eth0") == 0 && o->absolute == absolute &&
				       o->unsure == unsure);
	}
	holds_fini(&found);
	return seen;
}

#define ANY(TEXT) (comes_over(TEXT, true, false) || comes_over(TEXT, false, true))

START_TEST(keeps_the_way_to_the_server_of_a_file_system)
{
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / / rw - nfs4 192.0.2.1:/x rw,vers=4.2,addr=192.0.2.1\n",
		true, false));
	/* By the longest prefix; by the default route; and what the host does not need. */
	ck_assert(!ANY(
		NIC OTHER ROUTES MOUNTS "1 2 0:44 / / rw - nfs4 192.0.2.9:/x rw,addr=192.0.2.9\n"));
	ck_assert(!ANY(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / / rw - nfs 198.51.100.1:/x rw,addr=198.51.100.1\n"));
	ck_assert(!ANY(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / /srv rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\n"));
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / /usr rw - cifs //box/x rw,addr=2001:db8::1\n",
		true, false));
	/* The place that the host needs is the second of two; below an overlay. */
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / /srv rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\\n"
		"1 2 0:44 / /usr rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\n",
		true, false));
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / /ro ro - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\\n"
		"1 2 0:45 / / rw - overlay o rw,lowerdir=/ro\nnumber f0:44 /ro\n",
		true, false));
}
END_TEST

/* A rule sends packets to that server to another table than the main one. */
START_TEST(follows_the_rules_of_routing)
{
	const char *root = "1 2 0:44 / / rw - nfs4 198.51.100.1:/x rw,addr=198.51.100.1\n";
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s%s", NIC OTHER ROUTES MOUNTS, root);
	ck_assert(!ANY(text)); /* by the default route of the main table */
	(void)snprintf(text, sizeof(text), "%s%s%s", NIC OTHER ROUTES MOUNTS, root,
		"way eth0 198.51.100.1/32\nway eth1 192.0.2.1/32\n");
	ck_assert(comes_over(text, true, false));
	ck_assert(!ANY(NIC OTHER ROUTES MOUNTS
		"1 2 0:44 / / rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\nway eth1 192.0.2.1/32\n"));
	ck_assert(!ANY(
		NIC OTHER ROUTES MOUNTS "1 2 0:44 / /usr rw - cifs //box/x rw,addr=2001:db8::1\n"
					"way eth1 2001:db8::1/128\n"));
}
END_TEST

START_TEST(keeps_the_way_to_disks_of_servers)
{
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 253:0 / / rw - ext4 x rw\n"
		"link /sys/dev/block/253:0 ../../devices/virtual/block/dm-0\n"
		"link /sys/class/block/dm-0 ../../devices/virtual/block/dm-0\n"
		"dir /sys/devices/virtual/block/dm-0/slaves/sdb1\n"
		"link /sys/class/block/sdb1 ../../devices/platform/host2/session7/target2:0:0/"
		"2:0:0:0/block/sdb/sdb1\n"
		"file /sys/class/iscsi_connection/connection7:0/address 192.0.2.1\n",
		true, false));
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 259:7 / /boot rw - ext4 x rw\n"
		"link /sys/dev/block/259:7 ../../devices/virtual/nvme-subsystem/nvme-subsys1/"
		"nvme1n1\n"
		"link /sys/class/block/nvme1n1 ../../devices/virtual/nvme-subsystem/nvme-subsys1/"
		"nvme1n1\n"
		"dir /sys/class/nvme-subsystem/nvme-subsys1/nvme1\n"
		"link /sys/class/nvme/nvme1 ../../devices/virtual/nvme-fabrics/ctl/nvme1\n"
		"file /sys/devices/virtual/nvme-fabrics/ctl/nvme1/address "
		"traddr=192.0.2.1,trsvcid=4420\n",
		true, false));
}
END_TEST

START_TEST(counts_an_unknown_way_as_held)
{
	/* No address; no route; a tunnel; a disk whose server does not show. */
	ck_assert(comes_over(
		NIC OTHER ROUTES MOUNTS "1 2 0:44 / / rw - afs #root.afs rw\n", false, true));
	ck_assert(comes_over(NIC OTHER MOUNTS
		"1 2 0:44 / / rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\n",
		false, true));
	ck_assert(comes_over(NIC OTHER MOUNTS
		"1 2 0:44 / / rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\n"
		"link /sys/class/net/wg0 ../../devices/virtual/net/wg0\n"
		"file /proc/net/route Iface\\nwg0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n",
		false, true));
	ck_assert(comes_over(NIC OTHER ROUTES MOUNTS
		"1 2 43:0 / / rw - ext4 x rw\n"
		"link /sys/dev/block/43:0 ../../devices/virtual/block/nbd0\n"
		"link /sys/class/block/nbd0 ../../devices/virtual/block/nbd0\n",
		false, true));
	/* A bond leads to the card. */
	ck_assert(comes_over(NIC OTHER MOUNTS
		"1 2 0:44 / / rw - nfs4 192.0.2.1:/x rw,addr=192.0.2.1\n"
		"link /sys/class/net/bond0 ../../devices/virtual/net/bond0\n"
		"dir /sys/devices/virtual/net/bond0/lower_eth0\n"
		"file /proc/net/route Iface\\nbond0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n",
		true, false));
}
END_TEST

SUITE("remote", keeps_the_way_to_the_server_of_a_file_system, keeps_the_way_to_disks_of_servers,
	counts_an_unknown_way_as_held, follows_the_rules_of_routing)
