/* SPDX-License-Identifier: MIT */
#include "monitor/kernel_log.h"

#include "replay.h"
#include "told.h"

static void record(struct host *h, const char *text, struct monitor_teller to)
{
	kernel_log_record(text, strlen(text), h, &to);
}

START_TEST(tells_of_faults)
{
	struct host *h = replay_lines("");
	struct told t;
	const struct monitor_teller to = told_to(&t);

	record(h,
		"4,100,200,-;vfio-pci 0000:01:00.0: not ready 65535ms after FLR; giving up\n"
		" SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0\n",
		to);
	told_expect(&t, "fault     0000:01:00.0 reset: the kernel's log: <4>vfio-pci "
			"0000:01:00.0: not ready 65535ms after FLR; giving up\n");
	record(h, "6,100,200,-;vfio-pci 0000:01:00.0: enabling device (0000 -> 0002)", to);
	record(h, "4,100,200,-;x 0000:01:00.0: Invalid PCI ROM header signature: expecting", to);
	told_expect(&t, "");
	host_close(h);
}
END_TEST

START_TEST(believes_the_kernel_alone)
{
	struct host *h = replay_lines("");
	struct told t;
	const struct monitor_teller to = told_to(&t);

	record(h, "12,1,2,-;vfio-pci 0000:01:00.0: not ready 65535ms after FLR; giving up", to);
	record(h, "no record", to);
	record(h, "4,1,2,-;", to);
	record(h, "", to);
	told_expect(&t, "");
	host_close(h);
}
END_TEST

SUITE("kernel_log", tells_of_faults, believes_the_kernel_alone)
