/* SPDX-License-Identifier: MIT */
/* A plan for devices that are on VFIO already. */
#include "base/err.h"
#include "bind/bind.h"
#include "bind/lend.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

static unsigned looks_since(void)
{
	unsigned looks = stage->looks;

	stage->looks = 0;
	return looks;
}

START_TEST(looks_for_bars_alone_if_nobody_has_the_group)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	/* From drivers of the host. */
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_uint_eq(looks_since(), 1u << HOST_LOOK_EVERYWHERE);
	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	ck_assert_uint_eq(looks_since(), 1u << HOST_LOOK_BARS);
	stage->mapped = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_uint_eq(looks_since(), 1u << HOST_LOOK_BARS);
	ck_assert_ptr_nonnull(strstr(e.msg, "poke (pid 4712"));
}
END_TEST

START_TEST(looks_everywhere_if_somebody_has_it)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	(void)looks_since();
	stage->held = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_uint_eq(looks_since(), 1u << HOST_LOOK_EVERYWHERE);
	ck_assert_ptr_nonnull(strstr(e.msg, "qemu (pid 4711"));
}
END_TEST

/* Whoever opens the group at that moment would fail. */
START_TEST(opens_no_group_without_its_lock)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	(void)looks_since();
	ck_assert_int_eq(bind_plan(&env, &q, &plan, &e), 0);
	bind_plan_fini(&plan);
	ck_assert_uint_eq(looks_since(), 1u << HOST_LOOK_EVERYWHERE);
}
END_TEST

SUITE("unopened", looks_for_bars_alone_if_nobody_has_the_group, looks_everywhere_if_somebody_has_it,
	opens_no_group_without_its_lock)
