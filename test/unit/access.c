/* SPDX-License-Identifier: MIT */
#include "bind/access.h"
#include "lend.h"

#include <unistd.h>

/* Whose nodes they are stays so until the release, also for who takes it after another. */
START_TEST(keeps_the_owner_of_nodes)
{
	static const char *const user[] = {"user"};
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	q.access = (struct bind_access){1000, (gid_t)-1, 0};
	ck_assert_int_eq(lend_take(&env, &q, &e), -EPERM);
	ck_assert_str_eq(stage->rule, "");
	q.allow = user;
	q.allow_count = 1;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->node.uid, 1000);
	ck_assert_ptr_nonnull(strstr(stage->rule,
		"SUBSYSTEM==\"vfio\", KERNEL==\"7\", "
		"TEST==\"/sys/kernel/iommu_groups/7/devices/0000:02:00.1\", OWNER=\"1000\"\n"));
	ck_assert_ptr_nonnull(strstr(stage->rule,
		"SUBSYSTEM==\"vfio-dev\", KERNELS==\"0000:02:00.3\", OWNER=\"1000\"\n"));
	ck_assert_ptr_null(strstr(stage->rule, "02:00.0")); /* the bridge */
	/* A guest takes it and gives it back to him. */
	stage->node = BIND_ACCESS_NONE;
	struct bind_request guest = LEND_REQUEST;
	ck_assert_int_eq(bind_owner_self(&env, "web", &guest.owner), 0);
	ck_assert_msg(lend_take(&env, &guest, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->node.uid, 1000);
	ck_assert_msg(lend_release(&env, (struct bind_giving){.owner = guest.owner}, &e) == 0, "%s",
		e.msg);
	ck_assert_str_ne(stage->rule, "");
	/* One who fails to take it over leaves it to him. */
	q.access.uid = 2000;
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(stage->rule, "OWNER=\"1000\""));
	stage->no_node = false;
	ck_assert_int_eq(lend_release(&env, (struct bind_giving){0}, &e), 0);
	ck_assert_str_eq(stage->rule, "");
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
	/* One who fails to take it at all leaves nothing. */
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_str_eq(stage->rule, "");
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}
END_TEST

SUITE("access", keeps_the_owner_of_nodes)
