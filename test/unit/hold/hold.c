/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

START_TEST(finds_open_groups)
{
	struct hold o = disk_only(
		"file /sys/class/vfio/7/dev 243:0\n"
		"file /sys/class/vfio/8/dev 243:1\n"
		"file /etc/passwd root:x:0:0::/root:/bin/sh\\nvm:x:64055:1::/:/bin/false\n"
		"holder 41 64055 243:0 qemu-system-x86\n"
		"holder 42 0 243:1 other\nholder 43 0 b243:0 block\n");

	hold_is(&o, "vfio", "vfio/7", "its group is open in qemu-system-x86 (pid 41, vm)");
	ck_assert(o.absolute); /* a second open is EBUSY */
}
END_TEST

START_TEST(finds_open_nodes)
{
	struct hold o =
		disk_only("link /sys/dev/char/226:1 " BELOW "/drm/card1\n"
			  "file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/drm/card1/uevent "
			  "MAJOR=226\\nMINOR=1\\nDEVNAME=dri/card1\n"
			  "holder 1203 1000 226:1 Xorg\nholder 1203 1000 226:1 Xorg\n"
			  "holder 1204 0 226:0 other\nholder 1204 0 1:3 null\n");

	ck_assert(!o.absolute);
	hold_is(&o, "fd", "dri/card1", "open in Xorg (pid 1203, uid 1000)");
	o = disk_only("link /sys/dev/block/8:0 " BELOW
		      "/ata1/sda\nholder 9 0 b8:0 dd\nholder 10 0 8:0 no\n");
	ck_assert_str_eq(o.object, "sda");
	o = disk_only("link /sys/dev/char/511:0 " BELOW "/vfio-dev/vfio0\nholder 9 0 511:0 vmm\n");
	ck_assert_str_eq(o.check, "vfio");
	ck_assert(o.absolute);
	/* NVIDIA's driver has no link in /sys/dev/char. */
	struct pci_device n = {.address = {.bus = 2}, .class = 0x030000, .driver = "nvidia"};
	o = hold_only("file /proc/driver/nvidia/gpus/0000:02:00.0/information "
		      "Model: X\\nDevice Minor: \t 3\\n\nholder 5 64055 195:3 python3\n"
		      "holder 6 0 195:2 no\n"
		      "file /etc/passwd root:x:0:0::/root:/bin/sh\\nvm:x:64055:1::/:/bin/false\n",
		&n);
	hold_is(&o, "gpu", "nvidia3", "open in python3 (pid 5, vm)");
}
END_TEST

/* Without a descriptor: by memory, or by a file that an io_uring has. */
START_TEST(finds_mapped_nodes_and_rings)
{
	struct pci_device nic = {.address = {.bus = 2}, .class = 0x020000, .driver = "e1000e"};
	static const char disk[] = "link /sys/dev/block/8:0 " BELOW "/ata1/sda\n";
	char text[1024];

	(void)snprintf(text, sizeof(text), "%smapped 9 0 b8:0 db\nmapped 9 0 b8:16 db\n", disk);
	struct hold o = disk_only(text);
	hold_is(&o, "fd", "sda", "mapped by db (pid 9, uid 0)");
	(void)snprintf(text, sizeof(text), "%sring 9 0 b8:0 fio\n", disk);
	ck_assert_str_eq(disk_only(text).text, "registered with an io_uring of fio (pid 9, uid 0)");
	o = disk_only("mapped 9 0 0000:02:00.0/resource0 spdk\n"
		      "mapped 9 0 10000:02:00.0/resource2 no\n"
		      "mapped 9 0 0000:02:00.1/resource2 no\n");
	ck_assert_str_eq(o.object, "resource0");
	ck_assert_str_eq(o.text, "mapped by spdk (pid 9, uid 0)");
	/* Files of a ring that the kernel does not show may be any disk. */
	o = disk_only("ring 9 0 ? fio\nring 9 0 ? fio\n");
	ck_assert_str_eq(o.object, "io_uring");
	ck_assert(o.unsure);
	hold_none("ring 9 0 ? fio\n", &nic);
}
END_TEST

/* A disk with several paths, and its character node, are below their subsystem. */
START_TEST(finds_open_nodes_of_nvme_subsystems)
{
	struct pci_device other = {.address = {.bus = 3}, .class = 0x010802, .driver = "nvme"};
	static const char text[] =
		"link /sys/class/nvme-subsystem/nvme-subsys0 "
		"../../devices/virtual/nvme-subsystem/nvme-subsys0\n"
		"link /sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0 "
		"../../../pci0000:00/0000:00:06.0/0000:02:00.0/nvme/nvme0\n"
		"link /sys/dev/char/240:0 ../../devices/virtual/nvme-subsystem/nvme-subsys0/ng0n1\n"
		"holder 9 0 240:0 fio\n";

	ck_assert_str_eq(disk_only(text).object, "ng0n1");
	hold_none(text, &other);
}
END_TEST

START_TEST(escapes_hostile_names)
{
	struct hold o = disk_only("link /sys/dev/char/226:1 " BELOW "/drm/card1\n"
				  "holder 7 0 226:1 \\x1b[2J\\x0d\\nok\\x9b1m\n");

	ck_assert_str_eq(o.text, "open in \\x1b[2J\\x0d\\x0aok\\x9b1m (pid 7, uid 0)");
	o = disk_only("link /sys/class/block/sda\x1b]0;x " BELOW "/sda\nbusy sda\x1b]0;x\n");
	ck_assert_str_eq(o.object, "sda\\x1b]0;x");
}
END_TEST

START_TEST(finds_working_virtual_functions)
{
	struct hold o = disk_only("at /sys/bus/pci/devices\nfile 0000:02:00.0/sriov_numvfs 2\n"
				  "link 0000:02:00.0/virtfn0 ../0000:02:00.1\n"
				  "link 0000:02:00.0/virtfn1 ../0000:02:00.2\n"
				  "dir 0000:02:00.1\n"
				  "link 0000:02:00.2/driver ../../../drivers/vfio-pci\n");

	hold_is(&o, "sriov", "0000:02:00.2", "virtual function of it, bound to vfio-pci");
}
END_TEST

#define KEYBOARD                                                                       \
	"link /sys/class/input/input3 " BELOW "/usb1/1-1/input/input3\n"               \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/usb1/1-1/input/input3\n" \
	"file capabilities/ev 120013\nfile name A keyboard\n"

#define PROGRAM                                                             \
	"link /sys/class/input/input8 ../../devices/virtual/input/input8\n" \
	"file /sys/devices/virtual/input/input8/capabilities/ev 120013\n"
#define HUB "../../devices/pci0000:00/0000:00:14.0/usb1"
#define HUB_PATH "/sys/devices/pci0000:00/0000:00:14.0/usb1"

START_TEST(finds_the_last_keyboard)
{
	struct hold o =
		disk_only(KEYBOARD "link /sys/class/input/input1 ../../devices/LNXSYSTM:00/input1\n"
				   "file /sys/devices/LNXSYSTM:00/input1/capabilities/ev 3\n");

	ck_assert_str_eq(o.check, "input");
	ck_assert_str_eq(o.text, "the only keyboard of this host (A keyboard)");
	disk_none(KEYBOARD "link /sys/class/input/input1 ../../devices/platform/i8042/input1\n"
			   "file /sys/devices/platform/i8042/input1/capabilities/ev 120013\n");
}
END_TEST

/* What the kernel calls a keyboard is often none: nobody can log in with these. */
START_TEST(takes_no_mouse_for_a_keyboard)
{
	static const char *const others[] = {
		/* A mouse with macro keys: a keyboard and a pointer in one USB device. */
		"link /sys/class/input/input8 " HUB
		"/1-2/1-2:1.1/0003:046D:C332.0004/input/input8\n"
		"file " HUB_PATH
		"/1-2/1-2:1.1/0003:046D:C332.0004/input/input8/capabilities/ev 120013\n"
		"link /sys/class/input/input7 " HUB
		"/1-2/1-2:1.0/0003:046D:C332.0003/input/input7\n"
		"file " HUB_PATH
		"/1-2/1-2:1.0/0003:046D:C332.0003/input/input7/capabilities/rel 1943\n",
		/* No lamps: a remote control, a mouse's keys. */
		"link /sys/class/input/input8 " HUB "/1-3/1-3:1.0/input/input8\n"
		"file " HUB_PATH "/1-3/1-3:1.0/input/input8/capabilities/ev 100013\n",
		"link /sys/class/input/input8 " HUB "/1-3/1-3:1.0/input/input8\n"
		"file " HUB_PATH "/1-3/1-3:1.0/input/input8/capabilities/ev 120013\n"
		"file " HUB_PATH "/1-3/1-3:1.0/input/input8/name Honeywell Barcode Scanner\n",
		/* A program. */
		PROGRAM,
	};
	char text[2048];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", KEYBOARD, others[i]);
		struct hold o = disk_only(text);
		ck_assert_str_eq(o.text, "the only keyboard of this host (A keyboard)");
	}
	/* A second real one, whose extra keys scroll, is one. */
	disk_none(KEYBOARD "link /sys/class/input/input8 " HUB
			   "/1-2/1-2:1.0/0003:046D:C31C.0001/input/input8\n"
			   "file " HUB_PATH
			   "/1-2/1-2:1.0/0003:046D:C31C.0001/input/input8/capabilities/ev 120013\n"
			   "link /sys/class/input/input9 " HUB
			   "/1-2/1-2:1.1/0003:046D:C31C.0002/input/input9\n"
			   "file " HUB_PATH
			   "/1-2/1-2:1.1/0003:046D:C31C.0002/input/input9/capabilities/rel 1040\n");
}
END_TEST

START_TEST(finds_consoles)
{
	struct pci_device gpu = {.address = {.bus = 2}, .class = 0x030000, .driver = "i915"};
	struct hold o = disk_only("file /sys/class/tty/console/active tty0 ttyS4\n"
				  "link /sys/class/tty/ttyS4 " BELOW "/tty/ttyS4\n");

	ck_assert_str_eq(o.object, "ttyS4");
	o = hold_only("file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n"
		      "file /sys/class/vtconsole/vtcon1/name (M) frame buffer device\n"
		      "file /sys/class/vtconsole/vtcon1/bind 1\n",
		&gpu);
	ck_assert_str_eq(o.check, "gpu");
	hold_none("file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n", &gpu);
}
END_TEST

#define CONSOLE                                                           \
	"file /sys/class/vtconsole/vtcon1/name (M) frame buffer device\n" \
	"file /sys/class/vtconsole/vtcon1/bind 1\n"

/* A display of class 0380 has no boot_vga. */
START_TEST(finds_the_framebuffer_of_the_console)
{
	struct pci_device d = {.address = {.bus = 2}, .class = 0x038000, .driver = "bochs-drm"};
	struct pci_device usb = {.address = {.bus = 2}, .class = 0x0c0330, .driver = "xhci_hcd"};
	static const char other[] = "link /sys/class/graphics/fb1 ../../devices/pci0000:00/"
				    "0000:00:02.0/graphics/fb1\n";
	struct hold o =
		hold_only(CONSOLE "link /sys/class/graphics/fb0 " BELOW "/graphics/fb0\n", &d);

	ck_assert_str_eq(o.check, "gpu");
	ck_assert_str_eq(o.object, "console");
	ck_assert_str_eq(
		hold_only(
			CONSOLE "link /sys/class/graphics/fb0 " BELOW "/usb1/graphics/fb0\n", &usb)
			.check,
		"gpu");
	/* The second one; a console on nothing; a framebuffer of another display. */
	hold_none(CONSOLE "link /sys/class/graphics/fb0 ../../devices/pci0000:00/0000:00:02.0/"
			  "graphics/fb0\nlink /sys/class/graphics/fb1 " BELOW "/graphics/fb1\n",
		&d);
	hold_none("link /sys/class/graphics/fb0 " BELOW "/graphics/fb0\n", &d);
	struct pci_device vga = {.address = {.bus = 2}, .class = 0x030000, .driver = "nouveau"};
	char text[512];
	(void)snprintf(text, sizeof(text),
		CONSOLE "file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n%s", other);
	hold_none(text, &vga);
	/* The firmware's framebuffer is a device of its own. */
	o = hold_only(CONSOLE "file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n"
			      "link /sys/class/graphics/fb0 ../../devices/platform/"
			      "efi-framebuffer.0/graphics/fb0\n",
		&vga);
	ck_assert_str_eq(o.object, "console");
	/* Text that the card itself draws: VGA. */
	vga.driver[0] = '\0';
	o = hold_only("file /sys/bus/pci/devices/0000:02:00.0/boot_vga 1\n"
		      "file /sys/class/vtconsole/vtcon0/name (M) VGA+\n"
		      "file /sys/class/vtconsole/vtcon0/bind 1\n",
		&vga);
	ck_assert_str_eq(o.object, "console");
}
END_TEST

START_TEST(finds_clients_of_the_kernel)
{
	static const char *const channel =
		"link /sys/class/dma/dma0chan0 " BELOW "/dma/dma0chan0\n"
		"file /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/dma/dma0chan0/in_use ";
	char text[512];

	(void)snprintf(text, sizeof(text), "%s2\n", channel);
	struct hold o = disk_only(text);
	hold_is(&o, "dma", "dma0chan0", "DMA channel with 2 clients in the kernel");
	(void)snprintf(text, sizeof(text), "%s0\n", channel);
	disk_none(text);
	o = disk_only("link /sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 ../../" BELOW
		      "/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n");
	ck_assert_str_eq(o.check, "sriov");
	ck_assert_str_eq(o.text, "mediated device of it");
}
END_TEST

START_TEST(leaves_bridges_out)
{
	struct pci_device d = {.address = {.dev = 6}, .is_bridge = true, .driver = "pcieport"};

	hold_none(DISK "busy nvme0n1\nblind\n", &d);
}
END_TEST

SUITE("hold", finds_open_groups, finds_open_nodes, finds_mapped_nodes_and_rings,
	finds_open_nodes_of_nvme_subsystems, escapes_hostile_names, finds_working_virtual_functions,
	finds_the_last_keyboard, takes_no_mouse_for_a_keyboard, finds_consoles,
	finds_the_framebuffer_of_the_console, finds_clients_of_the_kernel, leaves_bridges_out)
