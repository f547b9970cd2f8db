/* SPDX-License-Identifier: MIT */
/* A plan for devices that are on VFIO already. */
#include "base/err.h"
#include "bind/bind.h"
#include "bind/journal.h"
#include "bind/kernel_ops.h"
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

static void entry_read(const struct bind_env *env, struct bind_entry *ret)
{
	struct err e = {0};

	ck_assert_msg(bind_journal_read(env, LEND_GROUP, ret, &e) == 0, "%s", e.msg);
}

static int writer_refuse(struct bind_writer **ret)
{
	ck_abort_msg("a process for writes");
	return -EPERM;
}

/* No process is started for writes, and each state of the journal is that before or a lease. */
START_TEST(moves_nothing_that_is_on_vfio)
{
	struct bind_env env = stage_set();
	struct bind_request q = LEND_REQUEST, lease = q;
	struct bind_entry n = BIND_ENTRY_NONE;
	struct bind_kernel_ops kernel = *env.kernel;
	struct err e = {0};

	ck_assert_int_eq(lend_take(&env, &q, &e), 0);
	kernel.writer_start = writer_refuse;
	env.kernel = &kernel;
	ck_assert_int_eq(bind_owner_self(&env, "vm1", &lease.owner), 0);
	stage->no_node = true;
	ck_assert_int_eq(lend_take(&env, &lease, &e), -ETIMEDOUT);
	entry_read(&env, &n);
	ck_assert_int_eq(n.owner.pid, 0);
	ck_assert_int_eq(n.state, BIND_STATE_TAKEN);
	ck_assert_uint_eq(n.count, 3);
	bind_entry_fini(&n);
	stage->no_node = false;
	ck_assert_msg(lend_take(&env, &lease, &e) == 0, "%s", e.msg);
	entry_read(&env, &n);
	ck_assert_str_eq(n.owner.name, "vm1");
	ck_assert_int_eq(n.state, BIND_STATE_TAKEN);
	ck_assert_str_eq(n.members[0].driver, "e1000");
	bind_entry_fini(&n);
	lend_is_on(1, "vfio-pci", "vfio-pci");
}
END_TEST

SUITE("unopened", looks_for_bars_alone_if_nobody_has_the_group, looks_everywhere_if_somebody_has_it,
	opens_no_group_without_its_lock, moves_nothing_that_is_on_vfio)
