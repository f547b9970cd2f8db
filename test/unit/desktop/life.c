/* SPDX-License-Identifier: MIT */
#include "desktop/life.h"

#include "base/num.h"
#include "replay.h"

#define CARD                                                                                \
	"link /sys/bus/pci/devices/0000:01:00.0 ../../../devices/pci0000:00/0000:01:00.0\n" \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"
#define INTERRUPTS "file /proc/interrupts             CPU0       CPU1\\n"

/* VFIO itself turns memory decoding on; other devices and the host's drivers do not count. */
START_TEST(sees_a_driver_at_work)
{
	static const struct {
		const char *lines;
		bool lives;
	} rows[] = {
		{"bytes config 64 0:de100422 4:0200\n", false},
		{"bytes config 64 0:de100422 4:0600\n", true},
		{"bytes config 64 0:ffffffff 4:ffff\n", false},
		{"", false},
		{INTERRUPTS " 31:  0  12  PCI-MSI 524288-edge  vfio-msi[0](0000:01:00.0)\n", true},
		{INTERRUPTS " 31:  0  0  PCI-MSI 524288-edge  vfio-msi[0](0000:01:00.0)\n", false},
		{INTERRUPTS " 31:  0  12  PCI-MSI 524288-edge  vfio-msi[0](0000:02:00.0)\n", false},
		{INTERRUPTS " 31:  9  0  PCI-MSI 524288-edge  nvidia(0000:01:00.0)\n", false},
		{INTERRUPTS " 16:  1  0  IO-APIC 16-fasteoi  vfio-intx(0000:01:00.0)\n", true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char lines[1024];
		(void)snprintf(lines, sizeof(lines), CARD "%s", rows[i].lines);
		struct host *h = replay_lines(lines);
		const char *life = desktop_life(h, (struct pci_address){.bus = 1});
		ck_assert_msg(!life == !rows[i].lives, "%s", rows[i].lines);
		host_close(h);
	}
}
END_TEST

/* A keeper that hangs in the kernel keeps the desktop for some time, but not for ever. */
START_TEST(patience_ends)
{
	ck_assert_int_eq(desktop_patience(0), DESKTOP_WAIT);
	ck_assert_int_eq(desktop_patience(DESKTOP_STOP_MS - 1), DESKTOP_WAIT);
	ck_assert_int_eq(desktop_patience(DESKTOP_STOP_MS), DESKTOP_KILL);
	ck_assert_int_eq(desktop_patience(DESKTOP_STOP_MS + DESKTOP_KILL_MS - 1), DESKTOP_KILL);
	ck_assert_int_eq(desktop_patience(DESKTOP_STOP_MS + DESKTOP_KILL_MS), DESKTOP_ABANDON);
}
END_TEST

SUITE("desktop life", sees_a_driver_at_work, patience_ends)
