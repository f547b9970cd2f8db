/* SPDX-License-Identifier: MIT */
#include "program/namespaces.h"

#include "suite.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/usher-settings-XXXXXX";

static void setting_put(const char *name, const char *value)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "mkdir -p %s/kernel %s/user && echo %s >%s/%s",
		folder, folder, value, folder, name);
	ck_assert_int_eq(system(command), 0);
}

/* A hint that names a setting of another distribution helps nobody. */
START_TEST(the_setting_is_the_one_that_forbids)
{
	char command[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_ptr_null(namespaces_setting(folder));
	setting_put("kernel/unprivileged_userns_clone", "1");
	setting_put("kernel/apparmor_restrict_unprivileged_userns", "0");
	setting_put("user/max_user_namespaces", "15000");
	ck_assert_ptr_null(namespaces_setting(folder));
	setting_put("user/max_user_namespaces", "0");
	ck_assert_str_eq(namespaces_setting(folder), "user.max_user_namespaces=15000");
	setting_put("kernel/unprivileged_userns_clone", "0");
	ck_assert_str_eq(namespaces_setting(folder), "kernel.unprivileged_userns_clone=1");
	setting_put("kernel/apparmor_restrict_unprivileged_userns", "1");
	ck_assert_str_eq(
		namespaces_setting(folder), "kernel.apparmor_restrict_unprivileged_userns=0");
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* A kernel has a file for each kind that it was built with. */
START_TEST(the_missing_kind_is_named)
{
	const uint64_t wanted = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER;
	char command[128];

	(void)strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_str_eq(namespaces_missing(folder, wanted), "user");
	ck_assert_str_eq(namespaces_missing(folder, CLONE_NEWIPC), "IPC");
	ck_assert_ptr_null(namespaces_missing(folder, 0));
	(void)snprintf(command, sizeof(command), "touch %s/mnt %s/user", folder, folder);
	ck_assert_int_eq(system(command), 0);
	ck_assert_str_eq(namespaces_missing(folder, wanted), "PID");
	(void)snprintf(command, sizeof(command), "touch %s/pid", folder);
	ck_assert_int_eq(system(command), 0);
	ck_assert_ptr_null(namespaces_missing(folder, wanted));
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
	/* Without a procfs nothing is known. */
	ck_assert_ptr_null(namespaces_missing(folder, wanted));
}
END_TEST

SUITE("program_namespaces", the_setting_is_the_one_that_forbids, the_missing_kind_is_named)
