/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "replay.h"
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
	hold_is(&o, "net", "eth0", "carries the default route and 1 more");
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
	ck_assert_str_eq(f.list[0].text, "carries the default route through bond0.7");
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

#define ETH_FOLDER "/sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/"
#define PPPOE "file /proc/net/pppoe Id Address Device\\n00003412 52:54:00:01:02:03     eth0\n"
#define PPP                                                         \
	"link /sys/class/net/ppp0 ../../devices/virtual/net/ppp0\n" \
	"file /sys/devices/virtual/net/ppp0/type 512\n"

/* A router's line has no address: that of its PPP link counts. */
START_TEST(finds_pppoe)
{
	struct pci_device d = nvme_device();
	struct hold o = hold_only(ETH PPPOE, &d);

	hold_is(&o, "net", "eth0", "carries a PPPoE session (0x1234 with 52:54:00:01:02:03)");
	struct holds f = holds_ask(ETH PPPOE PPP
		"file /proc/self/environ SSH_CONNECTION=198.51.100.9 5 203.0.113.7 22\\x00\n"
		"address ppp0 203.0.113.7/32\n"
		"file /proc/net/route I\\nppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n",
		&d);
	ck_assert_uint_eq(f.count, 4);
	ck_assert_str_eq(
		f.list[0].text, "this SSH session comes in by it (203.0.113.7) through ppp0");
	ck_assert_str_eq(f.list[1].text, "carries the default route through ppp0");
	ck_assert_str_eq(f.list[2].text, "part of ppp0");
	ck_assert_ptr_nonnull(strstr(f.list[3].text, "52:54:00:01:02:03): ppp0"));
	holds_fini(&f);
	/* Two of them: which is which is not known. */
	o = hold_only(ETH PPPOE PPP "link /sys/class/net/ppp1 ../../devices/virtual/net/ppp1\n"
				    "file /sys/devices/virtual/net/ppp1/type 512\n",
		&d);
	ck_assert_ptr_null(strstr(o.text, "ppp"));
	hold_none(ETH "file /proc/net/pppoe Id Address Device\\n00003412 52:54:00:01:02:03 eth1\n",
		&d);
}
END_TEST

#define PACKETS "file /proc/net/packet sk RefCnt Type Proto  Iface R Rmem   User   Inode\\n"

START_TEST(finds_packet_sockets)
{
	struct pci_device d = nvme_device();
	static const char index[] = "file " ETH_FOLDER "ifindex 3\n";
	char text[1024];

	(void)snprintf(text, sizeof(text),
		ETH "%s" PACKETS "0000000000000000 3 3 0003 3 1 0 0 41523\\n"
		    "0000000000000000 3 3 0800 3 1 0 0 41524\n"
		    "socket 41523 812 0 dhclient\n"
		    "file /etc/passwd root:x:0:0::/root:/bin/sh\n",
		index);
	struct hold o = hold_only(text, &d);
	ck_assert_str_eq(
		o.text, "a packet socket is bound to it: dhclient (pid 812, root) and 1 more");
	(void)snprintf(text, sizeof(text), ETH "%s" PACKETS "0 3 3 0003 3 1 0 33 41523\n", index);
	ck_assert_str_eq(
		hold_only(text, &d).text, "a packet socket is bound to it: a process of uid 33");
	/* Of any interface, of another one, and one that does not run. */
	(void)snprintf(text, sizeof(text),
		ETH "%s" PACKETS
		    "0 3 3 0003 0 1 0 0 1\\n0 3 3 0003 4 1 0 0 1\\n0 3 3 0003 3 0 0 0 1\n",
		index);
	hold_none(text, &d);
}
END_TEST

START_TEST(finds_protocols_of_the_kernel)
{
	struct pci_device d = nvme_device();
	struct hold o = hold_only(ETH
		"file /proc/net/ptype Type Device      Function\\nALL  eth0     tpacket_rcv\\n"
		"0800          ip_rcv\\n8906 eth0     fcoe_rcv [fcoe]\\n8906 eth1     fcoe_rcv\n",
		&d);

	ck_assert_str_eq(o.text, "a protocol of the kernel receives from it: fcoe_rcv (type 8906)");
}
END_TEST

#define CAN                                                                          \
	"link /sys/class/net/can0 " BELOW "/net/can0\n"                              \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/can0/type 280\n" \
	"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/can0/flags "

START_TEST(finds_can_and_bluetooth)
{
	struct pci_device d = nvme_device(), wireless = {.address = {.bus = 2},
						     .class = 0x0d1100,
						     .driver = "btintel_pcie"};
	struct hold o = hold_only(CAN "0x40081\n", &d);

	ck_assert_str_eq(o.text, "is up, on a CAN bus");
	hold_none(CAN "0x40080\n", &d);
	o = hold_only(CAN
		"0x40080\nfile /proc/net/can/rcvlist_fil \\nreceive list 'rx_fil':\\n"
		"  device   can_id   can_mask  function  userdata   matches  ident\\n"
		"   can0     123   000007ff  0000000000000000  0000000000000000  0  raw\n",
		&d);
	ck_assert_str_eq(o.text, "CAN sockets receive from it (raw)");
	o = hold_only("link /sys/class/bluetooth/hci0 " BELOW "/bluetooth/hci0\n"
		      "link /sys/class/bluetooth/hci0:11 " BELOW "/bluetooth/hci0/hci0:11\n",
		&wireless);
	ck_assert_str_eq(o.object, "hci0");
	ck_assert_ptr_nonnull(strstr(o.text, "hci0:11"));
	hold_none("link /sys/class/bluetooth/hci0 " BELOW "/bluetooth/hci0\n", &wireless);
}
END_TEST

static void use_is(const char *line, const char *text)
{
	struct pci_device d = nvme_device();
	char lines[512];

	(void)snprintf(lines, sizeof(lines), ETH "%s", line);
	ck_assert_str_eq(hold_only(lines, &d).text, text);
}

/* The internal port of a switch has the address; nothing links it to the port that is a card. */
START_TEST(follows_open_vswitch)
{
	struct pci_device d = nvme_device();
	struct holds f = holds_ask(ETH
		"link /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/net/eth0/master "
		"../../../../../virtual/net/ovs-system\n"
		"link /sys/class/net/ovs-system ../../devices/virtual/net/ovs-system\n"
		"link /sys/class/net/br-ex ../../devices/virtual/net/br-ex\n"
		"dir /sys/devices/virtual/net/br-ex\n"
		"link /sys/class/net/tap0 ../../devices/virtual/net/tap0\n"
		"file /sys/devices/virtual/net/tap0/tun_flags 0x1002\n"
		"address tap0 192.0.2.1/24\naddress br-ex 198.51.100.174/22\n",
		&d);

	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].text, "has the address 198.51.100.174/22 through br-ex");
	ck_assert_str_eq(f.list[1].text, "part of ovs-system");
	holds_fini(&f);
}
END_TEST

/* What only rtnetlink shows. */
START_TEST(finds_uses_without_files)
{
	struct pci_device d = nvme_device();

	use_is("use eth0 xdp program 12\n", "runs XDP (program 12)");
	use_is("use eth0 filter u32\n", "has filters of tc (u32)");
	use_is("use eth0 target \n", "gets packets that tc redirects");
	use_is("use eth0 route 198.18.0.0/15 in table 77\n",
		"carries the route to 198.18.0.0/15 in table 77");
	use_is("use eth0 rule priority 32765\n", "is named in a routing rule (priority 32765)");
	use_is("use eth0 upper vx0\n", "part of vx0");
	hold_none(ETH "use eth1 xdp program 12\nuse eth1 upper vx0\n", &d);
	/* Below a tunnel that sysfs does not link. */
	struct holds f = holds_ask(ETH "use eth0 upper vx0\naddress vx0 10.9.9.1/24\n", &d);
	ck_assert_uint_eq(f.count, 2);
	ck_assert_str_eq(f.list[0].text, "has the address 10.9.9.1/24 through vx0");
	holds_fini(&f);
}
END_TEST

/* Of two ports of a card, a container has one. */
START_TEST(finds_one_interface_of_two_elsewhere)
{
	struct pci_device d = card(0x020000, "mlx4_core");
	struct hold o =
		hold_only(FUNCTION "dir net/eth0\n" ETH "away 0000:02:00.0 eth1 4711 0 nginx\n"
				   "file /etc/passwd root:x:0:0::/root:/bin/sh\n",
			&d);

	ck_assert_str_eq(o.object, "net");
	ck_assert_str_eq(o.text,
		"its interface eth1 is in another network namespace: nginx (pid 4711, root)");
	/* Of a device on the auxiliary bus; of another function. */
	o = hold_only(FUNCTION "dir net\ndir mlx5_core.sf.4/net\n"
			       "link /sys/bus/auxiliary/devices/mlx5_core.sf.4 ../../" BELOW
			       "/mlx5_core.sf.4\n"
			       "away mlx5_core.sf.4 p0 0 0 /run/netns/box\n",
		&d);
	ck_assert_str_eq(
		o.text, "its interface p0 is in another network namespace: /run/netns/box");
	hold_none(FUNCTION "dir net/eth0\n" ETH "away 0000:03:00.0 eth1 4711 0 nginx\n", &d);
}
END_TEST

/* It looks into no namespace, so that it does not call free what a container may use. */
START_TEST(doubts_in_a_listing)
{
	struct pci_device d = nvme_device();
	struct hold_view *v;
	struct holds f;

	for (int other = 0; other < 2; other++) {
		struct host *h = replay_lines(other ? ETH "namespaces\n" : ETH);

		ck_assert_int_eq(hold_view_new(h, HOLD_LISTING, &v, NULL), 0);
		ck_assert_int_eq(hold_find_in(v, &d, &f, NULL), 0);
		ck_assert_uint_eq(f.count, other);
		ck_assert(!other || f.list[0].unsure);
		holds_fini(&f);
		hold_view_free(v);
		host_close(h);
	}
	hold_none(ETH "namespaces\n", &d);
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

SUITE("net", finds_pppoe, finds_packet_sockets, finds_protocols_of_the_kernel,
	finds_can_and_bluetooth, follows_open_vswitch, finds_uses_without_files,
	finds_one_interface_of_two_elsewhere, doubts_in_a_listing, finds_routes, finds_addresses,
	finds_what_stands_on_it_in_containers, follows_bridges, finds_interfaces_that_are_elsewhere,
	finds_the_ssh_session)
