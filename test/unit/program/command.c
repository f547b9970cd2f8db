/* SPDX-License-Identifier: MIT */
#include "program/command.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

static void script_make(const char *name, const char *text)
{
	char file[96];

	file_make(name, 0755);
	(void)snprintf(file, sizeof(file), "%s/%s", dir, name);
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
	(void)close(fd);
}

/* execve(2) says ENOENT of the program, which is there. */
START_TEST(names_an_interpreter_that_is_missing)
{
	char text[160], again[192];
	struct err e = {0};

	setup();
	script_make("good", "#! /bin/sh -e\nexit 0\n");
	ck_assert_int_eq(command_seek("good", path).code, 0);
	script_make("bare", "#!\n"); /* as the kernel has it: a file for the shell */
	ck_assert_int_eq(command_seek("bare", path).code, 0);
	script_make("bad", "#!/nowhere/python\n");
	struct command c = command_seek("bad", path);
	ck_assert_int_eq(c.code, -ENOENT);
	ck_assert_int_eq(command_report(&c, "bad", 0, &e), -ENOENT);
	ck_assert_str_eq(
		e.msg, "start bad: its interpreter /nowhere/python: No such file or directory");
	(void)snprintf(text, sizeof(text), "#!%s/data x\n", dir);
	script_make("barred", text);
	ck_assert_int_eq(command_seek("barred", path).code, -EACCES);
	(void)snprintf(text, sizeof(text), "#!%s/bad\n", dir);
	script_make("nested", text);
	(void)snprintf(again, sizeof(again), "%s/nested", dir);
	c = command_seek(again, path);
	ck_assert_int_eq(c.code, -ENOENT);
	ck_assert_str_eq(c.interpreter, "/nowhere/python");
	ck_assert_int_eq(command_find("bad", getuid(), getgid(), path, &e), -ENOENT);
	clean();
}
END_TEST

/* This test's own file, with another loader. */
START_TEST(names_a_loader_that_is_missing)
{
	static char image[1 << 24];
	char file[96];

	setup();
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, image, sizeof(image));
	(void)close(fd);
	ck_assert_int_gt((int)n, 4096);
	char *at = memmem(image, 4096, "/ld-linux", 9);
	ck_assert_ptr_nonnull(at);
	file_make("elf", 0755);
	(void)snprintf(file, sizeof(file), "%s/elf", dir);
	for (int broken = 0; broken < 2; broken++) {
		fd = open(file, O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq((int)write(fd, image, (size_t)n), (int)n);
		(void)close(fd);
		struct command c = command_seek("elf", path);
		ck_assert_int_eq(c.code, broken ? -ENOENT : 0);
		ck_assert_int_eq(c.interpreter[0] == '/', broken);
		at[1] = 'x';
	}
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

static void self_kill(void)
{
	(void)kill(getpid(), SIGKILL);
}

/* As by the kernel when memory is short. The caller must not wait for an answer. */
START_TEST(notices_that_its_look_was_killed)
{
	struct err e = {0};

	ck_assert_int_eq(pthread_atfork(NULL, NULL, self_kill), 0);
	ck_assert_int_lt(command_find("true", getuid(), getgid(), path, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "start true"));
}
END_TEST

SUITE("engine_command", tells_absent_from_barred, names_an_interpreter_that_is_missing,
	names_a_loader_that_is_missing, makes_a_relative_path_absolute,
	looks_with_the_rights_of_the_user, notices_that_its_look_was_killed)
