/* SPDX-License-Identifier: MIT */
#include "bind/access.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void nothing_is_left(void)
{
	ck_assert_str_eq(stage->rule, "");
	lend_is_on(1, "e1000", "");
	ck_assert(!lend_journal_exists(LEND_GROUP));
}

/* The nodes keep their user until the release, even if another owner takes the group meanwhile. */
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
	/* A guest takes the group and returns it: the nodes have their user again. */
	stage->node = BIND_ACCESS_NONE;
	struct bind_request guest = LEND_REQUEST;
	ck_assert_int_eq(bind_owner_self(&env, "web", &guest.owner), 0);
	ck_assert_msg(lend_take(&env, &guest, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(stage->node.uid, 1000);
	ck_assert_msg(
		lend_release(&env, (struct bind_release_request){.owner = guest.owner}, &e) == 0,
		"%s", e.msg);
	ck_assert_str_ne(stage->rule, "");
	/* A failed take of a taken group leaves the nodes with their user. */
	q.access.uid = 2000;
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(stage->rule, "OWNER=\"1000\""));
	stage->no_node = false;
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
	nothing_is_left();
	/* A failed take of a free group leaves no rule. */
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ETIMEDOUT);
	nothing_is_left();
}
END_TEST

/* The group was returned without usher: the next bind does not inherit the former user. */
START_TEST(forgets_the_former_owner)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	static const char *const user[] = {"user"};
	struct stage_device first[4];
	struct err e = {0};

	memcpy(first, stage->devices, sizeof(first));
	q.access = (struct bind_access){1000, (gid_t)-1, 0};
	q.allow = user;
	q.allow_count = 1;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	memcpy(stage->devices, first, sizeof(first));
	stage->node = BIND_ACCESS_NONE;
	ck_assert_msg(lend_take(&env, &LEND_REQUEST, &e) == 0, "%s", e.msg);
	ck_assert(!bind_access_is(&stage->node));
	ck_assert_str_eq(stage->rule, "");
	ck_assert_int_eq(lend_release(&env, (struct bind_release_request){0}, &e), 0);
}
END_TEST

/*
 * A guest has the group, and another take fails for want of room: the guest's lease is unchanged.
 */
START_TEST(keeps_the_lease_without_room_for_a_rule)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST;
	static const char *const user[] = {"user"};
	struct bind_lease *leases;
	struct err e = {0};
	size_t count = 0;

	ck_assert_int_eq(bind_owner_self(&env, "web", &q.owner), 0);
	q.access = (struct bind_access){1000, (gid_t)-1, 0};
	q.allow = user;
	q.allow_count = 1;
	ck_assert_msg(lend_take(&env, &q, &e) == 0, "%s", e.msg);
	q.access.uid = 2000;
	stage->no_rule = true;
	ck_assert_int_eq(lend_take(&env, &q, &e), -ENOSPC);
	ck_assert_int_eq(bind_leases(&env, &leases, &count, &e), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(leases[0].state, BIND_LEASE_LIVE);
	free(leases);
	lend_is_on(1, "vfio-pci", "vfio-pci");
	stage->no_rule = false;
	ck_assert_int_eq(
		lend_release(&env, (struct bind_release_request){.owner = q.owner}, &e), 0);
}
END_TEST

SUITE("access", keeps_the_owner_of_nodes, forgets_the_former_owner,
	keeps_the_lease_without_room_for_a_rule)
