/* SPDX-License-Identifier: MIT */
#include "engine/state.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char run_dir[] = "/tmp/usher-state-XXXXXX";

static bool exists(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/vm%s", run_dir, name);
	return access(path, F_OK) == 0;
}

/* Fails if anything but the empty folder "vm" is in there. */
static void run_dir_remove(void)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/vm", run_dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(run_dir), 0);
}

START_TEST(nothing_is_left_of_a_guest)
{
	struct state s;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_msg(state_claim(run_dir, "one", &s, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(state_engine(&s, 4711), 0);
	ck_assert(exists("/one/lock") && exists("/one/engine"));
	state_release(&s);
	run_dir_remove();
}
END_TEST

START_TEST(a_name_in_use_names_its_keeper)
{
	struct state s, other;
	struct err e = {0};
	char expected[96];

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_int_eq(state_claim(run_dir, "one", &s, &e), 0);
	ck_assert_int_eq(state_claim(run_dir, "one", &other, &e), -EBUSY);
	(void)snprintf(expected, sizeof(expected),
		"a guest named 'one' runs already (keeper: process %d)", (int)getpid());
	ck_assert_str_eq(e.msg, expected);
	state_release(&s);
	run_dir_remove();
}
END_TEST

START_TEST(a_killed_keeper_leaves_what_restore_sweeps)
{
	struct state s;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_int_eq(state_claim(run_dir, "alive", &s, &e), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct state killed;
		(void)close(s.lock_fd);
		(void)state_claim(run_dir, "killed", &killed, &e);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(exists("/killed/keeper"));
	ck_assert_uint_eq(state_sweep(run_dir), 1);
	ck_assert_uint_eq(state_sweep(run_dir), 0);
	ck_assert(!exists("/killed"));
	ck_assert(exists("/alive/lock"));
	state_release(&s);
	run_dir_remove();
}
END_TEST

static void file_make(const char *path)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
}

/* QEMU's user may write there whatever it likes, until its keeper is killed. */
START_TEST(a_killed_keeper_leaves_no_display)
{
	static const char *const folders[] = {"display", "display/vnc", "display/vnc/deep"};
	char path[128], outside[96], link[128];
	struct state s;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	(void)snprintf(outside, sizeof(outside), "%s/outside", run_dir);
	ck_assert_int_eq(mkdir(outside, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/kept", outside);
	file_make(path);
	ck_assert_int_eq(state_claim(run_dir, "one", &s, &e), 0);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(link, sizeof(link), "%s/vm/one/%s", run_dir, folders[i]);
		ck_assert_int_eq(mkdir(link, 0700), 0);
	}
	(void)snprintf(link, sizeof(link), "%s/vm/one/display/vnc/file", run_dir);
	file_make(link);
	(void)snprintf(link, sizeof(link), "%s/vm/one/display/link", run_dir);
	ck_assert_int_eq(symlink(outside, link), 0);
	state_release(&s);
	ck_assert(!exists("/one"));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(outside), 0);
	run_dir_remove();
}
END_TEST

#define ROUNDS 40

/* Takes the name again and again. If two ever hold it at once, the folder `alone` shows it. */
static int claim_in_a_loop(void)
{
	char alone[96];

	(void)snprintf(alone, sizeof(alone), "%s/alone", run_dir);
	for (int held = 0; held < ROUNDS;) {
		struct state s;
		int r = state_claim(run_dir, "one", &s, NULL);
		(void)usleep(100);
		if (r == -EBUSY)
			continue;
		if (r < 0 || mkdir(alone, 0700) < 0)
			return 1;
		(void)rmdir(alone);
		held++;
		state_release(&s);
	}
	return 0;
}

START_TEST(two_keepers_never_hold_one_name)
{
	pid_t pids[3];
	int status;

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	for (size_t i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(claim_in_a_loop());
	}
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	run_dir_remove();
}
END_TEST

/* A plan is for everyone, so it has not said this. */
START_TEST(who_may_not_run_guests_learns_who_does)
{
	struct state s;
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	ck_assert_int_eq(chmod(run_dir, 0555), 0);
	ck_assert_int_eq(geteuid() == 0 ? seteuid(65534) : 0, 0);
	ck_assert_int_eq(state_claim(run_dir, "one", &s, &e), -EACCES);
	ck_assert_str_eq(e.hint, ""); /* a program's keeper claims a name, too */
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", "/run/user/65534", 1), 0);
	ck_assert_int_eq(state_explain(-EACCES, &e), -EACCES);
	ck_assert_ptr_nonnull(strstr(e.hint, "usher start"));
	ck_assert_int_eq(unsetenv("XDG_RUNTIME_DIR"), 0);
	ck_assert_int_eq(state_explain(-EACCES, &e), -EACCES);
	ck_assert_ptr_nonnull(strstr(e.hint, "needs XDG_RUNTIME_DIR"));
	ck_assert_int_eq(getuid() == 0 ? seteuid(0) : 0, 0);
	ck_assert_int_eq(rmdir(run_dir), 0);
}
END_TEST

SUITE("engine_state", nothing_is_left_of_a_guest, a_name_in_use_names_its_keeper,
	a_killed_keeper_leaves_what_restore_sweeps, a_killed_keeper_leaves_no_display,
	two_keepers_never_hold_one_name, who_may_not_run_guests_learns_who_does)
