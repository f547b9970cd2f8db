/* SPDX-License-Identifier: MIT */
/* Scripts instead of modprobe. */
#include "bind/module.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 300

static char folder[sizeof("/tmp/usher-module-XXXXXX")];
static struct err e;

/* @script runs as "modprobe -- some-module". */
static int load_by(const char *script, int timeout_ms)
{
	char path[FILE_PATH_MAX], text[512];

	(void)strcpy(folder, "/tmp/usher-module-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/modprobe", folder), 0);
	int len = snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	ck_assert_int_eq(file_replace(path, text, (size_t)len, 0755), 0);
	e = (struct err){0};
	int r = bind_module_load_by(path, "some-module", timeout_ms, &e);
	(void)unlink(path);
	(void)rmdir(folder);
	return r;
}

START_TEST(tells_what_it_says)
{
	ck_assert_int_eq(load_by("[ \"$2\" = some-module ]", 60000), 0);
	ck_assert_int_eq(
		load_by("echo 'modprobe: FATAL: no such module' >&2; exit 1", 60000), -ENOENT);
	ck_assert_str_eq(e.msg, "module some-module: load: FATAL: no such module");
}
END_TEST

/* The caller may ignore SIGCHLD: the kernel would forget the status. */
START_TEST(notices_a_failure_where_children_are_ignored)
{
	(void)signal(SIGCHLD, SIG_IGN);
	ck_assert_int_eq(load_by("exit 1", 60000), -ENOENT);
}
END_TEST

START_TEST(a_long_complaint_does_not_hold_it_up)
{
	ck_assert_int_eq(load_by("head -c 1000000 /dev/zero >&2; exit 1", 60000), -ENOENT);
}
END_TEST

START_TEST(gives_up_in_time)
{
	int64_t begun = clock_ms();

	ck_assert_int_eq(load_by("exec sleep 600", PATIENCE_MS), -ETIMEDOUT);
	const char *process = strstr(e.msg, "(process ");
	ck_assert_ptr_nonnull(process);
	ck_assert_ptr_nonnull(strstr(process, "has not ended"));
	ck_assert_int_ge(clock_ms() - begun, PATIENCE_MS);
	/* It was killed. */
	pid_t pid = (pid_t)atoi(process + strlen("(process "));
	while (waitpid(pid, NULL, WNOHANG) == 0)
		(void)usleep(1000);
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

/* An `install` line of modprobe.d may start a daemon, which keeps the output open. */
START_TEST(its_end_counts_not_that_of_its_output)
{
	int64_t begun = clock_ms();

	ck_assert_int_eq(load_by("sleep 20 & exit 0", 60000), 0);
	ck_assert_int_lt(clock_ms() - begun, 20000);
}
END_TEST

SUITE("module", tells_what_it_says, notices_a_failure_where_children_are_ignored,
	a_long_complaint_does_not_hold_it_up, gives_up_in_time,
	its_end_counts_not_that_of_its_output)
