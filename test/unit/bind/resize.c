/* SPDX-License-Identifier: MIT */
#include "bind/resize.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <string.h>

static struct bind_target target = {.address = {0, 2, 0, 1}};

static struct bind_request request(void)
{
	struct bind_request q = LEND_REQUEST;

	q.targets = &target; /* with sizes for its BARs */
	return q;
}

static int take(const struct bind_env *env, struct err *e)
{
	const struct bind_request q = request();

	return lend_take(env, &q, e);
}

static int restore(const struct bind_env *env)
{
	struct err e = {0};

	return lend_restore(env, LEND_GROUP, BIND_MANUAL_RELEASE, &e);
}

START_TEST(reads_sizes)
{
	ck_assert_uint_eq(bind_resize_code(1 << 20), 1);
	ck_assert_uint_eq(bind_resize_code(256 << 20), 9);
	ck_assert_uint_eq(bind_resize_code(1ull << 63), 44);
	ck_assert_uint_eq(bind_resize_code(3 << 20), 0);
	ck_assert_uint_eq(bind_resize_code(1 << 19), 0);
	ck_assert_uint_eq(bind_resize_code(0), 0);
}
END_TEST

START_TEST(resizes_between_the_drivers)
{
	struct bind_env env = stage_set();
	struct err e = {0};

	stage->devices[1].bar_mib = 256;
	target.bar[1] = bind_resize_code(1 << 30);
	ck_assert_msg(take(&env, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->devices[1].bar_mib, 1024);
	ck_assert_str_eq(stage->devices[1].d.driver, "vfio-pci");
	ck_assert_int_eq(restore(&env), 0);
	ck_assert_uint_eq(stage->devices[1].bar_mib, 256);
	ck_assert_str_eq(stage->devices[1].d.driver, "e1000");
}
END_TEST

START_TEST(undoes_at_any_failure)
{
	struct err e = {0};
	int k = 1;

	target.bar[1] = bind_resize_code(512 << 20);
	for (;; k++) {
		struct bind_env env = stage_set();
		stage->devices[1].bar_mib = 256;
		stage->fail_at = k;
		if (take(&env, &e) == 0)
			break;
		ck_assert_uint_eq(stage->devices[1].bar_mib, 256);
		ck_assert_str_eq(stage->devices[1].d.driver, "e1000");
	}
	ck_assert_int_eq(k, 10); /* one more write than without a resize */
	struct bind_env env = stage_set();
	ck_assert_int_eq(restore(&env), 0);
}
END_TEST

/* The plan has one problem: "bar", with @text. */
static void refused(const struct bind_env *env, const char *text)
{
	const struct bind_request q = request();
	struct err e = {0};
	struct bind_plan p;

	ck_assert_int_eq(bind_plan(env, &q, &p, &e), 0);
	ck_assert_uint_eq(p.refusals, 1);
	ck_assert_str_eq(p.problems[0].check, "bar");
	ck_assert_msg(strstr(p.problems[0].text, text), "%s", p.problems[0].text);
	bind_plan_fini(&p);
}

START_TEST(names_what_can_be_had)
{
	struct bind_env env = stage_set();
	struct err e = {0};

	target.bar[1] = bind_resize_code(1 << 30);
	refused(&env, "its BAR 1 cannot be resized");
	stage->devices[1].bar_mib = 256;
	target.bar[1] = bind_resize_code(2ull << 30);
	refused(&env, "its BAR 1 cannot have 2 GiB, only 256 MiB, 512 MiB, 1 GiB");
	target.bar[1] = bind_resize_code(256 << 20); /* the size is right already */
	ck_assert_msg(take(&env, &e) == 0, "%s", e.msg);
	target.bar[1] = bind_resize_code(1 << 30);
	refused(&env, "is on vfio-pci already");
	ck_assert_int_eq(restore(&env), 0);
}
END_TEST

SUITE("resize", reads_sizes, resizes_between_the_drivers, undoes_at_any_failure,
	names_what_can_be_had)
