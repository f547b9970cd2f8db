/* SPDX-License-Identifier: MIT */
#include "monitor/lost.h"

#include "monitor/devices.h"
#include "replay.h"
#include "told.h"

#include <poll.h>

#define CARD "/sys/bus/pci/devices/0000:01:00.0"
#define IDS                                                                    \
	"file " CARD "/vendor 0x1b36\nfile " CARD "/device 0x0010\nfile " CARD \
	"/class 0x010802\nfile " CARD "/subsystem_vendor 0x1af4\nfile " CARD   \
	"/subsystem_device 0x1100\nfile " CARD "/revision 0x02\n"
#define ON(driver) "link " CARD "/driver ../../../bus/pci/drivers/" driver "\n"
#define STATUS(text) "file " CARD "/power/runtime_status " text "\n"
#define ANSWERS "bytes " CARD "/config 64 0:361b1000\n"
#define DEAD "bytes " CARD "/config 64 0:ffffffffffffffffffffffff\n"

/* One round of questions. */
static void round_ask(const char *lines, struct seen_list *l, const struct monitor_teller *to)
{
	struct lost_check check = LOST_CHECK_NONE;

	l->host = replay_lines(lines);
	lost_ask(&check, l);
	for (struct pollfd p = {.events = POLLIN}; check.pid;) {
		p.fd = check.fd;
		ck_assert_int_eq(poll(&p, 1, 10000), 1);
		lost_take(&check, l, to);
	}
	lost_close(&check);
	host_close(l->host);
}

static void list_open(const char *lines, struct seen_list *ret)
{
	struct host *h = replay_lines(lines);

	ck_assert_int_eq(seen_open(h, ret), 0);
	host_close(h);
}

START_TEST(tells_once_of_a_lent_device_that_is_lost)
{
	static const char well[] = IDS ON("vfio-pci") STATUS("active") ANSWERS;
	static const char lost[] = IDS ON("vfio-pci") STATUS("active") DEAD;
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	list_open(well, &l);
	round_ask(well, &l, &to);
	told_expect(&t, "");
	round_ask(lost, &l, &to);
	round_ask(lost, &l, &to);
	told_expect(&t, "fault     0000:01:00.0 lost: " CARD "/config reads all ones\n");
	round_ask(well, &l, &to);
	told_expect(&t, "recovered 0000:01:00.0 lost: " CARD "/config can be read again\n");
	seen_close(&l);
}
END_TEST

START_TEST(wakes_no_device_and_leaves_those_of_others)
{
	static const char sleeps[] = IDS ON("vfio-pci") STATUS("suspended") DEAD;
	static const char hosts[] = IDS ON("nvme") STATUS("active") DEAD;
	struct seen_list l;
	struct told t;
	const struct monitor_teller to = told_to(&t);

	list_open(sleeps, &l);
	round_ask(sleeps, &l, &to);
	seen_close(&l);
	list_open(hosts, &l);
	round_ask(hosts, &l, &to);
	seen_close(&l);
	told_expect(&t, "");
}
END_TEST

SUITE("lost", tells_once_of_a_lent_device_that_is_lost, wakes_no_device_and_leaves_those_of_others)
