/* SPDX-License-Identifier: MIT */
/* A macvtap for one guest; a file is in the place of its device. */
#include "engine/net/macvtap.h"

#include "base/err.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/usher-macvtap-XXXXXX";

static int device_open(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Another program that has it open, and says so. Return: its number. */
static pid_t holder_start(void)
{
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)device_open();
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		(void)pause();
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

START_TEST(one_guest_has_it)
{
	struct err e = {0};
	int fd = device_open(), more = device_open();

	ck_assert_int_eq(macvtap_claim(fd, path, "mtap", &e), 0);
	ck_assert_int_eq(macvtap_claim(more, path, "mtap", &e), -EBUSY);
	ck_assert_str_eq(e.msg, "--net: another guest uses macvtap 'mtap'");
	(void)close(fd);
	ck_assert_int_eq(macvtap_claim(more, path, "mtap", &e), 0);
	(void)close(more);
}
END_TEST

START_TEST(names_the_program_that_has_it)
{
	struct err e = {0};
	char expected[64];
	pid_t pid = holder_start();
	int fd = device_open();

	(void)snprintf(expected, sizeof(expected), "process %d (test_engine_net", (int)pid);
	ck_assert_int_eq(macvtap_claim(fd, path, "mtap", &e), -EBUSY);
	ck_assert_msg(strstr(e.msg, expected), "%s", e.msg);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(macvtap_claim(fd, path, "mtap", &e), 0);
	(void)close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {one_guest_has_it, names_the_program_that_has_it};
	int fd = mkstemp(path);

	(void)close(fd);
	int r = fd < 0 ? 1 : suite_run("macvtap", tests, COUNT(tests));
	(void)unlink(path);
	return r;
}
