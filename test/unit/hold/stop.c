/* SPDX-License-Identifier: MIT */
#include "hold/stop.h"

#include "base/num.h"
#include "pci/device.h"
#include "replay.h"

#include <string.h>

#define CARD                                                                                \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n" \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                                         \
	"file vendor 0x10de\nfile device 0x2204\nfile class 0x030000\nfile boot_vga 0\n"    \
	"link driver ../../../bus/pci/drivers/nvidia\n"                                     \
	"link /sys/bus/pci/drivers/nvidia/0000:01:00.0 "                                    \
	"../../../../devices/pci0000:00/0000:01:00.0\n"                                     \
	"link /sys/dev/char/226:1 ../../devices/pci0000:00/0000:01:00.0/drm/card1\n"        \
	"file /sys/devices/pci0000:00/0000:01:00.0/drm/card1/uevent DEVNAME=dri/card1\n"    \
	"file /proc/driver/nvidia/gpus/0000:01:00.0/information Device Minor: \t 0\n"       \
	"file /sys/module/nvidia_drm/refcnt 0\nfile /sys/module/nvidia_uvm/refcnt 0\n"

static size_t stops_of(const char *lines, struct hold_stop ret[HOLD_STOPS_MAX])
{
	const struct pci_address a = {.bus = 1};
	struct host *h = replay_lines(lines);
	struct holds holds;
	struct pci_device d;
	struct err e = {0};

	ck_assert_int_eq(pci_device_read(h, a, &d, &e), 0);
	ck_assert_msg(hold_find(h, &d, &holds, &e) == 0, "%s", e.msg);
	size_t count = hold_stops_read(h, &d, &holds, ret);
	holds_fini(&holds);
	host_close(h);
	return count;
}

/* Programs, containers, services, sound, the session, modules: each by the unit that it is in. */
START_TEST(lists_commands_in_order)
{
	static const char *const commands[] = {
		"kill 700",
		"docker stop 0123456789ab",
		"systemctl stop nvidia-persistenced",
		"systemctl stop ollama",
		"systemctl stop display-manager",
		"modprobe -r nvidia_drm nvidia_uvm",
	};
	struct hold_stop stops[HOLD_STOPS_MAX];

	size_t count = stops_of(CARD
		"holder 300 1000 226:1 gnome-shell\n"
		"file /proc/300/cgroup 0::/user.slice/user-1000.slice/user@1000.service/x.service\n"
		"holder 301 0 226:1 systemd-logind\n"
		"file /proc/301/cgroup 0::/system.slice/systemd-logind.service\n"
		"holder 400 0 195:0 nvidia-persiste\n"
		"file /proc/400/cgroup 0::/system.slice/nvidia-persistenced.service\n"
		"holder 500 0 195:0 ollama\n"
		"holder 600 0 195:0 python3\n"
		"file /proc/600/cgroup 0::/system.slice/docker-0123456789abcdef0123.scope\n"
		"holder 700 1000 226:1 firefox\n",
		stops);
	ck_assert_uint_eq(count, COUNT(commands));
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(stops[i].command, commands[i]);
}
END_TEST

/* Modules serve all cards of the driver; a session without a display manager ends alone. */
START_TEST(stops_no_more_than_needed)
{
	struct hold_stop stops[HOLD_STOPS_MAX];

	size_t count = stops_of(CARD
		"link /sys/bus/pci/drivers/nvidia/0000:02:00.0 ../../../../devices/x\n"
		"holder 300 1000 226:1 sway\n"
		"file /proc/300/cgroup 0::/user.slice/user-1000.slice/session-4.scope\n",
		stops);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(stops[0].command, "loginctl terminate-session 4");
}
END_TEST

/* A process chooses its own name, and a unit may have any. */
START_TEST(puts_no_foreign_text_into_commands)
{
	struct hold_stop stops[HOLD_STOPS_MAX];

	size_t count = stops_of(CARD
		"link /sys/bus/pci/drivers/nvidia/0000:02:00.0 ../../../../devices/x\n"
		"holder 300 1000 226:1 a (pid 1, b\n"
		"file /proc/300/cgroup 0::/system.slice/x;reboot.service\n",
		stops);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(stops[0].command, "kill 300");
}
END_TEST

#define DISK                                                                                       \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n"        \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                                                \
	"file vendor 0x144d\nfile device 0xa808\nfile class 0x010802\n"                            \
	"link driver ../../../bus/pci/drivers/nvme\n"                                              \
	"link /sys/class/block/nvme0n1 ../../devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1\n" \
	"at /sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1\nfile dev 259:0\n"

/* A file system on a volume on an array: the highest comes down first. */
START_TEST(takes_volumes_down_from_the_top)
{
	static const char *const commands[] = {
		"umount /srv", "lvchange -an /dev/mapper/vg-data", "mdadm --stop /dev/md0"};
	struct hold_stop stops[HOLD_STOPS_MAX];

	size_t count = stops_of(DISK
		"dir holders/md0\n"
		"link /sys/class/block/md0 ../../devices/virtual/block/md0\n"
		"at /sys/devices/virtual/block/md0\nfile dev 9:0\ndir holders/dm-0\n"
		"link /sys/class/block/dm-0 ../../devices/virtual/block/dm-0\n"
		"at /sys/devices/virtual/block/dm-0\nfile dev 253:0\n"
		"file dm/name vg-data\nfile dm/uuid LVM-abc\n"
		"file /proc/self/mountinfo 30 1 253:0 / /srv rw - ext4 /dev/mapper/vg-data rw\n",
		stops);
	ck_assert_uint_eq(count, COUNT(commands));
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(stops[i].command, commands[i]);
}
END_TEST

SUITE("stop", takes_volumes_down_from_the_top, lists_commands_in_order, stops_no_more_than_needed,
	puts_no_foreign_text_into_commands)
