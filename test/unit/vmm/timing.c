/* SPDX-License-Identifier: MIT */
#include "vmm/stats/timing.h"

#include "suite.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define STEP_MS 20

static void rest(void)
{
	(void)usleep(STEP_MS * 1000);
}

/* A phase before the wait, the wait and one behind it, each of STEP_MS and with an ioctl. */
static struct timing begun(void)
{
	struct timing t;

	timing_start(&t);
	rest();
	(void)ioctl(-1, TIOCGWINSZ, NULL);
	timing_mark(&t, "walls");
	rest();
	return t;
}

static void end(struct timing *t, uint64_t ready_ns)
{
	timing_wait_over(t, ready_ns);
	rest();
	(void)ioctl(-1, TIOCGWINSZ, NULL);
	timing_enter(t);
}

START_TEST(a_keeper_that_was_ready_before_costs_nothing)
{
	struct timing t = begun();

	end(&t, t.start_ns - MS);
	ck_assert_uint_ge(t.own_ns, 3 * STEP_MS * MS);
	ck_assert_uint_eq(t.ready_ns, t.start_ns);
	ck_assert_uint_eq(t.parallel_ns, 0);
}
END_TEST

START_TEST(the_wait_for_a_keeper_is_its_time)
{
	struct timing t = begun();
	const uint64_t ready = t.start_ns + t.phases[0].ns + STEP_MS * MS / 2;

	end(&t, ready);
	ck_assert_uint_eq(t.ready_ns, ready);
	ck_assert_uint_ge(t.own_ns, STEP_MS * MS);
	ck_assert_uint_eq(t.parallel_ns, t.phases[1].ioctl_ns);
	ck_assert_uint_gt(t.parallel_ns, 0);
	ck_assert_uint_lt(t.parallel_ns, t.ioctl_ns);
}
END_TEST

START_TEST(no_keeper_is_ready_after_its_message)
{
	struct timing t = begun();

	end(&t, UINT64_MAX);
	ck_assert_uint_eq(t.ready_ns, t.start_ns + t.phases[0].ns + t.phases[1].ns);
	ck_assert_uint_ge(t.own_ns, STEP_MS * MS);
}
END_TEST

SUITE("timing", a_keeper_that_was_ready_before_costs_nothing, the_wait_for_a_keeper_is_its_time,
	no_keeper_is_ready_after_its_message)
