/* SPDX-License-Identifier: MIT */
#include "bind/parallel.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_GROUP 30

static const char *const drivers[] = {"nvme", "e1000", "nvme", "e1000", "nvme", "sib"};
#define CARDS (sizeof(drivers) / sizeof(drivers[0]))

static struct bind_target targets[CARDS];
static size_t cards = CARDS; /* how many of them exist */

/* Cards with these drivers, each in a group of its own. */
static struct bind_env set(void)
{
	struct bind_env env = stage_set();

	stage->count = 0;
	for (uint8_t i = 0; i < cards; i++) {
		stage_add(i, drivers[i], drivers[i], "");
		stage->devices[i].d.group = FIRST_GROUP + i;
		targets[i] = (struct bind_target){.address = stage->devices[i].d.address};
	}
	return env;
}

static void as_first(size_t i, const char *when)
{
	const struct pci_device *d = &stage->devices[i].d;

	ck_assert_msg(strcmp(d->driver, drivers[i]) == 0 && !*d->driver_override,
		"%s: card %zu is on '%s', override '%s'", when, i, d->driver, d->driver_override);
	ck_assert_msg(!lend_journal_exists(FIRST_GROUP + (int)i),
		"%s: card %zu has a journal entry", when, i);
}

static void all_as_first(const char *text)
{
	for (size_t i = 0; i < cards; i++)
		as_first(i, text);
}

static int take(const struct bind_env *env, struct err *e)
{
	const struct bind_request request = {
		.targets = targets, .target_count = cards, .access = BIND_ACCESS_NONE};

	return lend_take(env, &request, e);
}

static void restore_all(const struct bind_env *env)
{
	for (size_t i = 0; i < cards; i++) {
		struct err e = {0};
		int r = lend_restore(env, FIRST_GROUP + (int)i, BIND_MANUAL_RELEASE, &e);
		ck_assert_msg(r == 0, "group %zu: %s", i, e.msg);
	}
}

/* A plan for bind_parallel_choose(): each group has one member, with that driver. */
static size_t choose(const char *const *names, size_t count, unsigned *ret)
{
	struct bind_member members[40] = {0};
	struct bind_group groups[40];
	const struct bind_plan p = {.group_count = count, .groups = groups};

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(members[i].device.driver, PCI_NAME_MAX, "%s", names[i]);
		groups[i] = (struct bind_group){(int)i, 1, &members[i]};
	}
	return bind_parallel_choose(&p, ret);
}

START_TEST(keeps_a_driver_to_one_lane)
{
	static const char *const mixed[] = {"ioatdma", "nvme", "ioatdma", "nvme", "", "", "ice"};
	const char *many[40];
	unsigned lane[40];

	ck_assert_uint_eq(choose(mixed, 7, lane), 6);
	ck_assert_uint_eq(lane[0], lane[2]);
	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(lane[i] != lane[k] || (k == 0 && i == 2), "%zu %zu", i, k);
	for (size_t i = 0; i < 40; i++)
		many[i] = "nvme";
	ck_assert_uint_eq(choose(many, 40, lane), BIND_WRITERS_MAX);
	for (size_t i = 0; i < 40; i++)
		ck_assert_uint_lt(lane[i], BIND_WRITERS_MAX);
}
END_TEST

/* A group with two drivers joins the lanes of both. A member that stays where it is joins none. */
START_TEST(joins_lanes)
{
	struct bind_member a = {.device.driver = "a"}, b = {.device.driver = "b"};
	struct bind_member c = {.device.driver = "c"}, both[2] = {b, a}, bar = c;
	struct bind_group groups[] = {{1, 1, &a}, {2, 1, &c}, {3, 1, &b}, {4, 2, both}};
	struct bind_plan p = {.group_count = 4, .groups = groups};
	unsigned lane[4];

	ck_assert_uint_eq(bind_parallel_choose(&p, lane), 2);
	ck_assert(lane[0] == lane[2] && lane[0] == lane[3] && lane[0] != lane[1]);
	both[0].act = both[1].act = BIND_ACT_ALREADY;
	ck_assert_uint_eq(bind_parallel_choose(&p, lane), 4);
	/* Two groups that resize a BAR. */
	(void)strcpy(bar.device.driver, "d");
	bar.bar[1] = c.bar[0] = 8;
	groups[3] = (struct bind_group){4, 1, &bar};
	ck_assert_uint_eq(bind_parallel_choose(&p, lane), 3);
	ck_assert_uint_eq(lane[1], lane[3]);
}
END_TEST

START_TEST(takes_side_by_side)
{
	struct bind_env env = set();
	struct err e = {0};

	ck_assert_msg(take(&env, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(stage->most, 5); /* three disks, the e1000 in turn, the other one */
	for (size_t i = 0; i < cards; i++) {
		ck_assert_str_eq(stage->devices[i].d.driver, "vfio-pci");
		ck_assert(lend_journal_exists(FIRST_GROUP + (int)i));
	}
	restore_all(&env);
	all_as_first("restored");
}
END_TEST

START_TEST(undoes_every_lane)
{
	int k = 1;

	for (;; k++) {
		struct bind_env env = set();
		struct err e = {0};
		stage->fail_at = k;
		if (take(&env, &e) == 0)
			break;
		ck_assert_int_eq(e.code, -EIO);
		all_as_first(e.msg);
		ck_assert_int_eq(stage->under_way, 0);
	}
	ck_assert_int_eq(k, 3 * CARDS + 1);
	struct bind_env env = set();
	restore_all(&env);
}
END_TEST

START_TEST(goes_on_around_what_hangs)
{
	for (int k = 1; k <= 3 * (int)CARDS; k++) {
		struct bind_env env = set();
		struct err e = {0};
		size_t kept = 0;
		env.timeout_ms = 5;
		stage->hang_at = k;
		ck_assert_int_eq(take(&env, &e), -ETIMEDOUT);
		for (size_t i = 0; i < cards; i++) {
			if (lend_journal_exists(FIRST_GROUP + (int)i))
				kept++;
			else
				as_first(i, e.msg);
		}
		ck_assert_uint_eq(kept, 1);
		restore_all(&env);
		all_as_first("restored");
	}
}
END_TEST

START_TEST(survives_a_crash_anywhere)
{
	unsigned n = 1;
	bool died = true;

	cards = 3; /* each death costs some dozen fsync() */
	for (; died; n++) {
		struct bind_env env = set();
		died = lend_dies_at(&env, n, take);
		restore_all(&env);
		all_as_first("after a crash");
	}
	ck_assert_uint_eq(n - 2, 5 * cards); /* two entries and three writes for each */
}
END_TEST

SUITE("lane", keeps_a_driver_to_one_lane, joins_lanes, takes_side_by_side, undoes_every_lane,
	goes_on_around_what_hangs, survives_a_crash_anywhere)
