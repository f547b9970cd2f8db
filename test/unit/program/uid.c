/* SPDX-License-Identifier: MIT */
#include "program/uid.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char run_dir[] = "/tmp/usher-uid-XXXXXX";

/* Fails if a file is left in its folder. */
static void run_dir_remove(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/uid", run_dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(run_dir), 0);
}

START_TEST(two_loans_have_two_users)
{
	struct uid_lease one, other;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_msg(uid_reserve(run_dir, &one, &e) == 0, "%s", e.msg);
	ck_assert_msg(uid_reserve(run_dir, &other, &e) == 0, "%s", e.msg);
	ck_assert_uint_ne(one.uid, other.uid);
	ck_assert_uint_ge(one.uid, UID_FIRST);
	ck_assert_uint_lt(one.uid, UID_FIRST + UID_COUNT);
	uid_release(&one);
	uid_release(&other);
	run_dir_remove();
}
END_TEST

/* The kernel drops the lock of a keeper that is killed; its file stays. */
START_TEST(sweeps_what_a_killed_keeper_left)
{
	struct uid_lease killed, alive;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	uid_sweep(run_dir);
	ck_assert_int_eq(uid_reserve(run_dir, &killed, &e), 0);
	ck_assert_int_eq(uid_reserve(run_dir, &alive, &e), 0);
	ck_assert_int_eq(close(killed.fd), 0);
	uid_sweep(run_dir);
	ck_assert_int_lt(access(killed.path, F_OK), 0);
	ck_assert_int_eq(access(alive.path, F_OK), 0);
	uid_release(&alive);
	run_dir_remove();
}
END_TEST

SUITE("uid", two_loans_have_two_users, sweeps_what_a_killed_keeper_left)
