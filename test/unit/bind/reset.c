/* SPDX-License-Identifier: MIT */
#include "bind/reset.h"

#include "base/err.h"
#include "bind/lend.h"
#include "suite.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void take(const struct bind_env *env, struct bind_owner owner)
{
	struct bind_request q = LEND_REQUEST;
	struct err e = {0};

	q.owner = owner;
	ck_assert_msg(lend_take(env, &q, &e) == 0, "%s", e.msg);
}

static int give(const struct bind_env *env, struct bind_owner owner)
{
	return lend_release(env, (struct bind_release_request){.owner = owner}, NULL);
}

static int choose(const struct bind_env *env, const struct bind_owner *owner, const char *method)
{
	struct err e = {0};

	int r = bind_reset_method(env, 7, owner, lend_target.address, method, &e);
	ck_assert_int_eq(r < 0, e.msg[0] != '\0');
	return r;
}

static const char *now(void)
{
	return stage->devices[1].d.reset_method;
}

START_TEST(comes_back_with_the_device)
{
	struct bind_env env = stage_set();
	struct bind_owner own = {0};

	ck_assert_int_eq(bind_owner_self(&env, "prove", &own), 0);
	take(&env, own);
	ck_assert_int_eq(choose(&env, &own, "bus"), 0);
	ck_assert_str_eq(now(), "bus");
	ck_assert_str_eq(stage->devices[2].d.reset_method, "flr bus");
	ck_assert_int_eq(choose(&env, &own, "magic"), -EINVAL);
	ck_assert_int_eq(choose(&env, &own, ""), -EINVAL);
	ck_assert_int_eq(choose(&env, &own, "flr\nbus"), -EINVAL);
	ck_assert_str_eq(now(), "bus");
	ck_assert_int_eq(give(&env, own), 0);
	ck_assert_str_eq(now(), "flr bus");
	ck_assert_str_eq(stage->devices[1].d.driver, "e1000");
}
END_TEST

START_TEST(is_the_owners_alone)
{
	struct bind_env env = stage_set();
	struct bind_owner own = {0}, nobody = {0};

	ck_assert_int_eq(bind_owner_self(&env, "prove", &own), 0);
	ck_assert_int_eq(choose(&env, &own, "bus"), -ENOENT); /* without a lease */
	take(&env, own);
	struct bind_owner other = own;
	other.start++;
	ck_assert_int_eq(choose(&env, &other, "bus"), -EPERM);
	ck_assert_int_eq(choose(&env, &nobody, "bus"), -EPERM);
	ck_assert_str_eq(now(), "flr bus");
	ck_assert_int_eq(give(&env, own), 0);
}
END_TEST

START_TEST(comes_back_though_the_group_stays_bound)
{
	struct bind_env env = stage_set();
	struct bind_owner own = {0};

	take(&env, (struct bind_owner){0}); /* by hand */
	ck_assert_int_eq(bind_owner_self(&env, "prove", &own), 0);
	take(&env, own);
	ck_assert_int_eq(choose(&env, &own, "bus"), 0);
	ck_assert_int_eq(give(&env, own), 0);
	ck_assert_str_eq(stage->devices[1].d.driver, "vfio-pci");
	ck_assert_str_eq(now(), "flr bus");
}
END_TEST

START_TEST(comes_back_after_a_crash)
{
	struct bind_env env = stage_set();
	int status;

	pid_t child = fork();
	if (child == 0) {
		struct bind_owner own;

		if (bind_owner_self(&env, "prove", &own) < 0)
			_exit(1);
		take(&env, own);
		_exit(choose(&env, &own, "bus") < 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(now(), "bus");
	/* A device that was handed out is reset before it returns to its driver. */
	ck_assert_int_eq(lend_restore(&env, LEND_GROUP, BIND_MANUAL_STAYS, NULL), 0);
	ck_assert_str_eq(now(), "flr bus");
	ck_assert_str_eq(stage->devices[1].d.driver, "e1000");
}
END_TEST

SUITE("method", comes_back_with_the_device, is_the_owners_alone,
	comes_back_though_the_group_stays_bound, comes_back_after_a_crash)
