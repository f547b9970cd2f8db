/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

/* From the plan's look to the unbind, so that a mount in between fails. */
START_TEST(holds_disks_until_their_unbind)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	stage->disk = true;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_int_eq(stage->claims_at_unbind, 1);
	ck_assert_int_eq(stage->claims, 0);
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	/* A remove() that waits for the claim gets it. */
	env = stage_set();
	stage->disk = true;
	stage->hang_at = 2;
	stage->claims_at_hang = -1;
	env.timeout_ms = 30;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_int_eq(stage->claims_at_unbind, 1);
	ck_assert_int_eq(stage->claims_at_hang, 0);
	ck_assert_int_eq(stage->claims, 0);
}
END_TEST

START_TEST(refuses_a_disk_that_is_mounted_meanwhile)
{
	static const char *const allow[] = {"block"};
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	stage->disk = true;
	stage->disk_mounted = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "sda: in use by the kernel"));
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
	ck_assert_int_eq(stage->writes, 0);
	/* A caller that takes it all the same does without the claim. */
	q.allow = allow;
	q.allow_count = 1;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	ck_assert_int_eq(stage->claims, 0);
}
END_TEST

SUITE("exclusive", holds_disks_until_their_unbind, refuses_a_disk_that_is_mounted_meanwhile)
