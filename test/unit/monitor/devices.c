/* SPDX-License-Identifier: MIT */
#include "monitor/devices.h"

#include "monitor/aer.h"
#include "monitor/uevent.h"
#include "replay.h"
#include "told.h"

#define CARD "/sys/bus/pci/devices/0000:01:00.0"
#define IDS(at)                                                                              \
	"file " at "/vendor 0x1b36\nfile " at "/device 0x0010\nfile " at "/class 0x010802\n" \
	"file " at "/subsystem_vendor 0x1af4\nfile " at "/subsystem_device 0x1100\n"         \
	"file " at "/revision 0x02\n"
#define ON(driver) "link " CARD "/driver ../../../bus/pci/drivers/" driver "\n"
#define COUNTS(n)                                                                            \
	"file " CARD "/aer_dev_correctable RxErr " n "\\nTOTAL_ERR_COR " n "\\n\nfile " CARD \
	"/aer_dev_nonfatal TOTAL_ERR_NONFATAL 0\\n\nfile " CARD                              \
	"/aer_dev_fatal TOTAL_ERR_FATAL 0\\n\n"

static const char one[] = IDS(CARD) ON("nvme");

static struct uevent event_of(enum uevent_action action, const char *driver)
{
	struct uevent u = {.action = action, .address = {.bus = 1}};

	(void)snprintf(u.driver, sizeof(u.driver), "%s", driver);
	return u;
}

static void follow(struct seen_list *l, enum uevent_action action, const char *driver,
	struct monitor_teller to)
{
	const struct uevent u = event_of(action, driver);

	seen_follow(l, &u, &to);
}

START_TEST(follows_a_driver)
{
	struct host *h = replay_lines(one);
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	ck_assert_int_eq(seen_open(h, &l), 0);
	follow(&l, UEVENT_BIND, "nvme", to); /* the list has it already */
	told_expect(&t, "");
	follow(&l, UEVENT_UNBIND, "", to);
	follow(&l, UEVENT_BIND, "vfio-pci", to);
	told_expect(&t, "driver    0000:01:00.0 nvme -> no driver\n"
			"driver    0000:01:00.0 no driver -> vfio-pci\n");
	seen_close(&l);
	host_close(h);
}
END_TEST

START_TEST(follows_coming_and_going)
{
	struct host *h = replay_lines(one);
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	ck_assert_int_eq(seen_open(h, &l), 0);
	follow(&l, UEVENT_REMOVE, "", to);
	follow(&l, UEVENT_REMOVE, "", to);
	follow(&l, UEVENT_ADD, "", to);
	follow(&l, UEVENT_BIND, "nvme", to);
	told_expect(&t, "removed   0000:01:00.0 1b36:0010 NVM Express controller\n"
			"added     0000:01:00.0 1b36:0010 NVM Express controller\n"
			"driver    0000:01:00.0 no driver -> nvme\n");
	seen_close(&l);
	host_close(h);
}
END_TEST

START_TEST(tells_what_was_missed)
{
	struct host *full = replay_lines(one), *none = replay_lines("dir /sys/bus/pci/devices\n");
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	ck_assert_int_eq(seen_open(full, &l), 0);
	follow(&l, UEVENT_UNBIND, "", to);
	told_expect(&t, "driver    0000:01:00.0 nvme -> no driver\n");
	seen_reread(&l, &to);
	told_expect(&t, "driver    0000:01:00.0 no driver -> nvme (missed)\n");
	l.host = none;
	seen_reread(&l, &to);
	told_expect(&t, "removed   0000:01:00.0 1b36:0010 NVM Express controller (missed)\n");
	l.host = full;
	seen_reread(&l, &to);
	told_expect(&t, "added     0000:01:00.0 1b36:0010 NVM Express controller (missed)\n");
	seen_close(&l);
	host_close(full);
	host_close(none);
}
END_TEST

START_TEST(tells_of_errors_that_are_new)
{
	static const char before[] = IDS(CARD) COUNTS("2");
	static const char after[] = IDS(CARD) COUNTS("5");
	struct host *was = replay_lines(before), *is = replay_lines(after);
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	ck_assert_int_eq(seen_open(was, &l), 0);
	aer_poll(&l, &to);
	told_expect(&t, "");
	l.host = is;
	aer_poll(&l, &to);
	told_expect(&t, "fault     0000:01:00.0 aer-corrected: " CARD
			"/aer_dev_correctable was 2 and is 5: RxErr 5\n");
	aer_poll(&l, &to);
	told_expect(&t, "");
	seen_close(&l);
	host_close(was);
	host_close(is);
}
END_TEST

START_TEST(tells_what_a_root_port_has_heard)
{
#define PORT_COUNTS(n)                                           \
	IDS(CARD)                                                \
	"file " CARD "/aer_rootport_total_err_cor 0\nfile " CARD \
	"/aer_rootport_total_err_nonfatal 0\nfile " CARD "/aer_rootport_total_err_fatal " n "\n"
	static const char before[] = PORT_COUNTS("0"), after[] = PORT_COUNTS("1");
	struct host *was = replay_lines(before), *is = replay_lines(after);
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	ck_assert_int_eq(seen_open(was, &l), 0);
	l.host = is;
	aer_poll(&l, &to);
	aer_poll(&l, &to);
	told_expect(&t, "fault     0000:01:00.0 aer-fatal: " CARD
			"/aer_rootport_total_err_fatal was 0 and is 1\n");
	seen_close(&l);
	host_close(was);
	host_close(is);
}
END_TEST

START_TEST(tells_how_a_recovery_goes)
{
	struct uevent u = event_of(UEVENT_OTHER, "");
	struct seen_list l = {.count = 0};
	struct told t;
	const struct monitor_teller to = told_to(&t);

	(void)snprintf(u.recovery, sizeof(u.recovery), "FAILED_RECOVERY");
	seen_follow(&l, &u, &to);
	(void)snprintf(u.recovery, sizeof(u.recovery), "SUCCESSFUL_RECOVERY");
	seen_follow(&l, &u, &to);
	told_expect(&t, "fault     0000:01:00.0 recovery-failed: the kernel's event "
			"ERROR_EVENT=FAILED_RECOVERY\n"
			"recovered 0000:01:00.0 recovery: the kernel's event "
			"ERROR_EVENT=SUCCESSFUL_RECOVERY\n");
}
END_TEST

#define MESSAGE(text) text, sizeof(text) - 1

START_TEST(reads_the_kernels_messages)
{
	struct uevent u;

	ck_assert(uevent_parse(
		MESSAGE("bind@/devices/pci0000:00/0000:01:00.0\0ACTION=bind\0DRIVER=vfio-pci\0"
			"PCI_SLOT_NAME=0000:01:00.0\0SUBSYSTEM=pci\0SEQNUM=12"),
		&u));
	ck_assert_int_eq(u.action, UEVENT_BIND);
	ck_assert_str_eq(u.driver, "vfio-pci");
	ck_assert_uint_eq(u.address.bus, 1);
	ck_assert(!uevent_parse(MESSAGE("add@/x\0ACTION=add\0SUBSYSTEM=net\0"
					"PCI_SLOT_NAME=0000:01:00.0"),
		&u));
	ck_assert(!uevent_parse(MESSAGE("add@/x\0ACTION=add\0SUBSYSTEM=pci"), &u));
	ck_assert(!uevent_parse(
		MESSAGE("add@/x\0ACTION=add\0SUBSYSTEM=pci\0PCI_SLOT_NAME=../../etc"), &u));
	ck_assert(!uevent_parse("", 0, &u));
	ck_assert(uevent_parse(MESSAGE("change@/x\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:01:00.0\0"
				       "ERROR_EVENT=FAILED_RECOVERY"),
		&u));
	ck_assert_str_eq(u.recovery, "FAILED_RECOVERY");
}
END_TEST

SUITE("devices", follows_a_driver, follows_coming_and_going, tells_what_was_missed,
	tells_of_errors_that_are_new, tells_what_a_root_port_has_heard, tells_how_a_recovery_goes,
	reads_the_kernels_messages)
