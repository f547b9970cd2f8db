/* SPDX-License-Identifier: MIT */
#include "bind/lock.h"

#include "base/err.h"
#include "bind/bind.h"
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char top[] = "/tmp/usher-lock-XXXXXX";

static struct bind_env set_up(void)
{
	struct bind_env env = bind_env_live();

	ck_assert_ptr_nonnull(mkdtemp(top));
	env.state = top;
	return env;
}

static void clean_up(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -r %s", top);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(one_at_a_time_has_a_group)
{
	struct bind_env env = set_up();
	struct err e = {0};

	int fd = bind_lock(&env, 7, &e);
	ck_assert_int_ge(fd, 0);
	int other = bind_lock(&env, 8, &e);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(bind_lock(&env, 7, &e), -EBUSY);
	(void)close(fd);
	fd = bind_lock(&env, 7, &e);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	(void)close(other);
	clean_up();
}
END_TEST

/* What is lent can be returned when /run has become read-only. */
START_TEST(locks_on_a_read_only_file_system)
{
	struct bind_env env = set_up();
	struct err e = {0};

	/* Only root may mount. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", top, "tmpfs", 0, NULL) < 0) {
		clean_up();
		return;
	}
	int fd = bind_lock(&env, 7, &e);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	ck_assert_int_eq(mount(NULL, top, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	fd = bind_lock(&env, 7, &e);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind_lock(&env, 7, &e), -EBUSY);
	(void)close(fd);
	/* A group that was never lent has no lock there. */
	ck_assert_int_eq(bind_lock(&env, 8, &e), -EROFS);
	ck_assert_int_eq(umount(top), 0);
	clean_up();
}
END_TEST

SUITE("bind_lock", one_at_a_time_has_a_group, locks_on_a_read_only_file_system)
