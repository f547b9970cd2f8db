/* SPDX-License-Identifier: MIT */
#include "engine/command.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/usher-command-XXXXXX";
static char path[COMMAND_PATH_MAX];

static void file_make(const char *name, mode_t mode)
{
	char file[96];

	(void)snprintf(file, sizeof(file), "%s/%s", dir, name);
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	file_make("run", 0755);
	file_make("data", 0644);
	ck_assert_int_eq(setenv("PATH", dir, 1), 0);
}

static void clean(void)
{
	char command[96];

	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	(void)snprintf(command, sizeof(command), "chmod 755 %s; rm -r %s", dir, dir);
	ck_assert_int_eq(system(command), 0);
}

/* What env(1) answers by 127, and by 126. */
START_TEST(tells_absent_from_barred)
{
	char expected[96];

	setup();
	ck_assert_int_eq(command_seek("run", path).code, 0);
	(void)snprintf(expected, sizeof(expected), "%s/run", dir);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(command_seek("data", path).code, -EACCES);
	ck_assert_int_eq(command_seek("nothing", path).code, -ENOENT);
	ck_assert_int_eq(command_seek("", path).code, -ENOENT);
	ck_assert_int_eq(command_seek("/nowhere/run", path).code, -ENOENT);
	ck_assert_int_eq(command_seek("/tmp", path).code, -EACCES);
	clean();
}
END_TEST

START_TEST(makes_a_relative_path_absolute)
{
	char expected[96];

	setup();
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(command_seek("./run", path).code, 0);
	(void)snprintf(expected, sizeof(expected), "%s/./run", dir);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(setenv("PATH", "", 1), 0);
	ck_assert_int_eq(command_seek("run", path).code, -ENOENT);
	ck_assert_int_eq(chdir("/"), 0);
	clean();
}
END_TEST

START_TEST(looks_with_the_rights_of_the_user)
{
	char name[96], expected[160];
	struct err e = {0};

	if (geteuid() != 0)
		return;
	setup();
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(command_find("run", 0, 0, path, &e), 0);
	ck_assert_int_eq(command_find("run", 65534, 65534, path, &e), -ENOENT);
	ck_assert_str_eq(e.msg, "start run: no such program in PATH");
	(void)snprintf(name, sizeof(name), "%s/run", dir);
	ck_assert_int_eq(command_find(name, 65534, 65534, path, &e), -EACCES);
	(void)snprintf(
		expected, sizeof(expected), "start %s: user 65534 may not enter %s", name, dir);
	ck_assert_str_eq(e.msg, expected);
	clean();
}
END_TEST

SUITE("engine_command", tells_absent_from_barred, makes_a_relative_path_absolute,
	looks_with_the_rights_of_the_user)
