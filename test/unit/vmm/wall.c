/* SPDX-License-Identifier: MIT */
/* Each test is a process of its own: the walls never come down. */
#include "vmm/wall.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif
#define OWN 0x787573ffU

/* Whether this line stands in /proc/self/status. */
static bool has_line(const char *expected)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, expected) == 0) {
			(void)fclose(f);
			return true;
		}
	}
	(void)fclose(f);
	return false;
}

static void raise_or_skip(uid_t uid)
{
	const struct wall w = {.uid = geteuid() == 0 ? uid : 0};
	struct err e = {0};

	ck_assert_msg(wall_raise(&w, &e) == 0, "%s", e.msg);
}

START_TEST(it_has_no_right)
{
	struct stat st;

	raise_or_skip(OWN);
	ck_assert(has_line("CapEff:\t0000000000000000"));
	ck_assert(has_line("CapPrm:\t0000000000000000"));
	ck_assert(has_line("NoNewPrivs:\t1"));
	if (getuid() != OWN)
		return;
	ck_assert(has_line("Uid:\t2020963327\t2020963327\t2020963327\t2020963327"));
	ck_assert(has_line("Groups:\t "));
	ck_assert(has_line("CapBnd:\t0000000000000000"));
	ck_assert_int_eq(setuid(0), -1);
	/* Whose these files are shows whether the process can be traced. */
	ck_assert_int_eq(stat("/proc/self/stat", &st), 0);
	ck_assert(IS_SANITIZED || st.st_uid == 0);
	ck_assert(IS_SANITIZED || prctl(PR_GET_DUMPABLE) == 0);
}
END_TEST

static void *thread_main(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

START_TEST(it_starts_threads_but_no_process)
{
	pthread_t thread;
	int ran = 0;
	char *const nothing[] = {NULL};

	if (IS_SANITIZED)
		return;
	raise_or_skip(OWN);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_main, &ran), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(ran, 1);
	ck_assert_int_eq((int)syscall(SYS_fork), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fork(), -1);
	ck_assert_int_eq((int)syscall(SYS_vfork), -1);
	ck_assert_int_eq(execve("/bin/true", nothing, nothing), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(unshare(CLONE_NEWUSER), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(it_opens_no_socket_and_types_nothing)
{
	int width = 0;

	if (IS_SANITIZED)
		return;
	raise_or_skip(OWN);
	ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ioctl(0, TIOCSTI, "x"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ioctl(0, TIOCLINUX, "x"), -1);
	ck_assert_int_eq(errno, EPERM);
	/* Any other ioctl() reaches its file. */
	ck_assert(ioctl(0, FIONREAD, &width) == 0 || errno != EPERM);
	ck_assert(ioctl(-1, TIOCGWINSZ, &width) == -1 && errno == EBADF);
	/* x32's numbers reach the same calls. */
	ck_assert_int_eq((int)syscall(SYS_socket | 0x40000000, AF_INET, SOCK_STREAM, 0), -1);
}
END_TEST

START_TEST(it_still_dies_with_its_parent)
{
	int fds[2];
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			raise_or_skip(OWN);
			while (write(fds[1], "r", 1) == 1)
				(void)pause();
			_exit(1);
		}
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert_int_eq(kill(parent, SIGKILL), 0);
	/* End of file: the grandchild is gone, too. */
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
}
END_TEST

START_TEST(it_says_what_the_host_forbids)
{
	const struct wall w = {.uid = OWN, .locked = 1 << 30};
	const struct rlimit l = {1 << 16, 1 << 16};
	struct err e = {0};

	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &l), 0);
	ck_assert_int_eq(wall_raise(&w, &e), -EPERM);
	ck_assert_str_eq(e.msg, "lock guest memory without capabilities: Operation not permitted");
	ck_assert(IS_SANITIZED || has_line("NoNewPrivs:\t1"));
}
END_TEST

SUITE("vmm_wall", it_has_no_right, it_starts_threads_but_no_process,
	it_opens_no_socket_and_types_nothing, it_still_dies_with_its_parent,
	it_says_what_the_host_forbids)
