/* SPDX-License-Identifier: MIT */
#include "engine/memlock.h"

#include "base/err.h"
#include "base/fd.h"
#include "bind/owner.h"
#include "engine/state.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-memlock-XXXXXX";

static pid_t sleeper_start(void)
{
	/* Above its hard limit a container permits nothing. */
	const struct rlimit before = {.rlim_cur = 65536, .rlim_max = 262144};

	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	ck_assert_int_eq(prlimit(pid, RLIMIT_MEMLOCK, &before, NULL), 0);
	return pid;
}

static void process_end(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static rlim_t memlock_of(pid_t pid)
{
	struct rlimit now = {0};

	ck_assert_int_eq(prlimit(pid, RLIMIT_MEMLOCK, NULL, &now), 0);
	return now.rlim_cur;
}

/* As a keeper does it, by its folder. */
static int limit_raise(pid_t borrower)
{
	struct memlock m = {.pid = borrower, .pidfd = fd_pidfd_open(borrower)};
	static struct state s;
	struct err e = {0};

	int r = state_claim_lease(folder, "box", &s, &e);
	if (r < 0)
		return r;
	m.folder = s.dir;
	r = bind_owner_start(host_live(), borrower, &m.start);
	return r < 0 ? r : memlock_raise(&m, 131072);
}

/* Of a keeper that was killed, the folder has the limit of before; `usher restore` sweeps it. */
START_TEST(a_killed_keepers_limit_is_put_back)
{
	pid_t borrower = sleeper_start();
	char path[64], said = 0;
	int ends[2];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(pipe(ends), 0);
	pid_t keeper = fork();
	if (keeper == 0) {
		(void)fd_write_full(ends[1], limit_raise(borrower) == 0 ? "g" : "b", 1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ends[0], &said, 1), 1);
	ck_assert_int_eq(said, 'g');
	ck_assert_uint_eq(memlock_of(borrower), 131072);
	/* A sweep leaves a keeper alone that lives. */
	state_sweep(folder);
	ck_assert_uint_eq(memlock_of(borrower), 131072);
	process_end(keeper);
	state_sweep(folder);
	ck_assert_uint_eq(memlock_of(borrower), 65536);
	process_end(borrower);
	(void)snprintf(path, sizeof(path), "%s/lease", folder);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* The process id is another process's when the limit is set. */
START_TEST(another_process_keeps_its_limit)
{
	pid_t gone = sleeper_start(), other = sleeper_start();
	struct memlock m = {.pid = other, .pidfd = fd_pidfd_open(gone), .folder = folder};
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	process_end(gone);
	ck_assert_int_eq(memlock_raise(&m, 131072), -ESRCH);
	ck_assert_uint_eq(memlock_of(other), 65536);
	m.raised = true;
	m.before.rlim_cur = m.before.rlim_max = 4096;
	memlock_put_back(&m);
	ck_assert_uint_eq(memlock_of(other), 65536);
	(void)snprintf(path, sizeof(path), "%s/" MEMLOCK_FILE, folder);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(folder), 0);
	(void)close(m.pidfd);
	process_end(other);
}
END_TEST

SUITE("memlock", a_killed_keepers_limit_is_put_back, another_process_keeps_its_limit)
