/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define ETH                                             \
	"link /sys/class/net/eth0 " BELOW "/net/eth0\n" \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/flags 0x1003\n"

START_TEST(finds_routes)
{
	struct pci_device d = nvme_device();
	struct hold o;

	hold_none(
		ETH "file /proc/net/route Iface\\nlo 0000007F 00000000 0001 0 0 0 000000FF\n", &d);
	o = hold_only(ETH "file /proc/net/route Iface\\n"
			  "eth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\\n"
			  "eth0 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n",
		&d);
	hold_is(&o, "net", "eth0", "carries the route to default and 1 more");
	o = hold_only(ETH
		"file /proc/net/route Iface\\neth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n",
		&d);
	ck_assert_str_eq(o.text, "carries the route to 10.0.2.0/24");
	/* Every interface that is up has routes to fe80::/64 and ff00::/8. */
	o = hold_only(ETH
		"file /proc/net/ipv6_route "
		"fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\\n"
		"fd000000000000000000000000000000 30 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n",
		&d);
	ck_assert_str_eq(o.text, "carries the route to fd00::/48");
}
END_TEST

START_TEST(finds_addresses)
{
	struct pci_device d = nvme_device();
	struct hold o = hold_only(ETH "address eth0 fe80::1/64\naddress eth0 192.0.2.7/32\n", &d);

	ck_assert_str_eq(o.text, "has the address 192.0.2.7/32");
	hold_none(ETH "address eth0 fe80::1/64\naddress eth1 192.0.2.7/24\n", &d);
	hold_none("link /sys/class/net/eth0 " BELOW "/net/eth0\naddress eth0 192.0.2.7/24\n"
		  "file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/flags 0x1002\n",
		&d);
}
END_TEST

/* upper_* links exist within one network namespace only. */
START_TEST(finds_what_stands_on_it_in_containers)
{
	struct pci_device d = nvme_device();
	struct hold o = hold_only(ETH "upper eth1 mv1 7 0 other\nupper eth0 mv0 4711 0 ng\\x1binx\n"
				      "file /etc/passwd root:x:0:0::/root:/bin/sh\n",
		&d);

	hold_is(&o, "net", "eth0",
		"carries mv0 in another network namespace: ng\\x1binx (pid 4711, root)");
	ck_assert(!o.absolute && !o.unsure);
	/* On a VLAN of this namespace; in a namespace without a process. */
	struct holds f = holds_ask(ETH
		"link /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/upper_vl ../x\n"
		"upper vl mv0 0 0 /run/netns/c1\n",
		&d);
	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[1].text,
		"carries mv0 through vl in another network namespace: /run/netns/c1");
	holds_fini(&f);
	/* An unknown use is not permission. */
	o = hold_only(ETH "unseen ETIMEDOUT\n", &d);
	ck_assert(o.unsure);
	ck_assert_str_eq(o.object, "eth0");
	hold_none("unseen ETIMEDOUT\nupper eth0 mv0 7 0 other\n", &d);
}
END_TEST

START_TEST(follows_bridges)
{
	struct pci_device d = nvme_device();
	struct holds f = holds_ask(ETH
		"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0\n"
		"link master ../../../../../virtual/net/bond0\n"
		"link upper_bond0 ../../../../../virtual/net/bond0\n"
		"link /sys/class/net/bond0 ../../devices/virtual/net/bond0\n"
		"link /sys/devices/virtual/net/bond0/upper_bond0.7 ../bond0.7\n"
		"link /sys/class/net/bond0.7 ../../devices/virtual/net/bond0.7\n"
		"dir /sys/devices/virtual/net/bond0.7/upper_bond0\n" /* a circle ends */
		"file /proc/net/route I\\nbond0.7 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n",
		&d);

	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].object, "eth0");
	ck_assert_str_eq(f.list[0].text, "carries the route to default through bond0.7");
	ck_assert_str_eq(f.list[1].text, "part of bond0");
	holds_fini(&f);
}
END_TEST

static struct pci_device card(uint32_t class, const char *driver)
{
	struct pci_device d = {.address = {.bus = 2}, .class = class};

	(void)snprintf(d.driver, sizeof(d.driver), "%s", driver);
	return d;
}

#define FUNCTION                                                                           \
	"link /sys/bus/pci/devices/0000:02:00.0 ../../../devices/pci0000:00/0000:00:06.0/" \
	"0000:02:00.0\n"                                                                   \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0\n"

/* An empty `net` folder: the interface is in another namespace. */
START_TEST(finds_interfaces_that_are_elsewhere)
{
	struct pci_device wired = card(0x020000, "e1000e"), wireless = card(0x0d8000, "iwlwifi");
	struct pci_device virtio = card(0x020000, "virtio-pci"), usb = card(0x0c0330, "xhci_hcd");
	struct pci_device lent = card(0x020000, "vfio-pci"), idle = card(0x020000, "");
	static const char nested[] =
		FUNCTION "dir virtio1/net\ndir usb1/1-4/1-4:1.0/net\n"
			 "at /sys/bus\n"
			 "link virtio/devices/virtio1 ../../" BELOW "/virtio1\n"
			 "link usb/devices/1-4 ../../" BELOW "/usb1/1-4\n"
			 "link usb/devices/1-4:1.0 ../../" BELOW "/usb1/1-4/1-4:1.0\n";
	struct hold o = hold_only(FUNCTION "dir net\n", &wired);

	ck_assert_str_eq(o.check, "net");
	ck_assert_str_eq(o.object, "net");
	ck_assert_ptr_nonnull(strstr(o.text, "in another network namespace"));
	ck_assert(!o.absolute);
	ck_assert_str_eq(hold_only(FUNCTION "dir net\n", &wireless).object, "net");
	/* An interface in this namespace; a driver without interfaces; no driver. */
	hold_none(FUNCTION "dir net/eth0\n" ETH, &wired);
	hold_none(FUNCTION "file class 0x020000\n", &wired);
	hold_none(FUNCTION "file class 0x020000\n", &lent);
	hold_none(FUNCTION "dir net\n", &idle);
	hold_none("", &wired);
	/* One level deeper; and the same level below another function. */
	struct holds f = holds_ask(nested, &virtio);
	ck_assert_uint_eq(f.count, 2);
	holds_fini(&f);
	f = holds_ask(nested, &usb);
	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].check, "net");
	holds_fini(&f);
	virtio.address.bus = 3;
	hold_none(nested, &virtio);
}
END_TEST

START_TEST(finds_the_ssh_session)
{
	struct pci_device d = nvme_device();
	/* sudo removes the variable from the environment; the parent's parent has it. */
	struct holds f = holds_ask(ETH "file /proc/self/environ HOME=/root\\x00TERM=xterm\\x00\n"
				       "file /proc/self/stat 900 (us) er) R 800 900 900 0\n"
				       "file /proc/800/stat 800 (sudo) S 700 800 800 0\n"
				       "file /proc/800/environ A=B\\x00\n"
				       "file /proc/700/environ "
				       "SSH_CONNECTION=198.51.100.9 50000 192.0.2.7 22\\x00\n"
				       "address eth0 192.0.2.7/24\n",
		&d);

	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].text, "this SSH session comes in by it (192.0.2.7)");
	ck_assert_str_eq(f.list[1].text, "has the address 192.0.2.7/24");
	holds_fini(&f);
}
END_TEST

SUITE("net", finds_routes, finds_addresses, finds_what_stands_on_it_in_containers, follows_bridges,
	finds_interfaces_that_are_elsewhere, finds_the_ssh_session)
