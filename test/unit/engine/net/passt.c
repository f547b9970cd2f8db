/* SPDX-License-Identifier: MIT */
/* How passt is started. This program stands in for it, and does what a passt of 2025 does first. */
#include "engine/net/passt.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "suite.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BROKEN_MTU 1234 /* with it, the stand-in gives up */

static char folder[] = "/tmp/usher-passt-XXXXXX";

static const char *value_of(int argc, char **argv, const char *option)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return argv[i + 1];
	return "";
}

/* It keeps its socket and what every program has, and no right to open the files of others. */
static int passt_become(int argc, char **argv)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	const unsigned fd = (unsigned)strtoul(value_of(argc, argv, "--fd"), NULL, 10);
	char nothing;

	if ((fd > 3 && close_range(3, fd - 1, 0) < 0) || close_range(fd + 1, ~0U, 0) < 0 ||
		syscall(SYS_capset, &head, none) < 0)
		return 1;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--stderr") == 0)
			return 1; /* 'will be dropped soon' */
	if (strcmp(value_of(argc, argv, "-m"), "1234") == 0) {
		(void)fputs("first line\nit is broken\n", stderr);
		return 1;
	}
	int ready = open(value_of(argc, argv, "--pid"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (ready < 0)
		perror("no PID file");
	if (ready < 0 || dprintf(ready, "%d\n", (int)getpid()) < 0)
		return 1;
	return read((int)fd, &nothing, 1) == 0 ? 0 : 1;
}

START_TEST(waits_until_it_serves)
{
	const struct guest_net n = {.queues = 1};
	struct passt p = PASST_NONE;
	struct err e = {0};

	int fd = passt_start(&p, &n, folder, &e);
	ck_assert_msg(fd >= 0, "%s", e.msg);
	int r = passt_await(&p, &e);
	ck_assert_msg(r == 0, "%s", e.msg);
	/* It ends with its socket. */
	(void)close(fd);
	ck_assert_int_eq(process_reap(&p.process), 0);
	p.process.pid = 0;
	passt_stop(&p);
}
END_TEST

START_TEST(tells_why_it_does_not)
{
	const struct guest_net n = {.queues = 1, .mtu = BROKEN_MTU};
	struct passt p = PASST_NONE;
	struct err e = {0};

	int fd = passt_start(&p, &n, folder, &e);
	ck_assert_msg(fd >= 0, "%s", e.msg);
	ck_assert_int_lt(passt_await(&p, &e), 0);
	ck_assert_str_eq(e.msg, "passt does not start: it is broken");
	(void)close(fd);
	passt_stop(&p);
	ck_assert_int_eq(p.process.pid, 0);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {waits_until_it_serves, tells_why_it_does_not};
	char self[FILE_PATH_MAX], link[FILE_PATH_MAX], uids[FILE_PATH_MAX];

	if (strcmp(file_base(argv[0]), PASST) == 0)
		return passt_become(argc, argv);
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0 || !mkdtemp(folder))
		return 1;
	self[len] = '\0';
	(void)file_path(link, sizeof(link), "%s/" PASST, folder);
	if (symlink(self, link) < 0 || setenv("PATH", folder, 1) < 0)
		return 1;
	int r = suite_run("passt", tests, COUNT(tests));
	(void)file_path(uids, sizeof(uids), "%s/uid", folder);
	(void)rmdir(uids);
	(void)unlink(link);
	(void)rmdir(folder);
	return r;
}
