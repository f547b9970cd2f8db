/* SPDX-License-Identifier: MIT */
#include "program/process.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "engine/exec.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* @fd: inherited; -1: none. */
static int run_shell(const char *script, int fd)
{
	struct program p = {0};
	struct process proc;
	struct err e = {0};

	program_word(&p, "sh");
	program_word(&p, "-c");
	program_word(&p, script);
	if (fd >= 0)
		program_fd(&p, fd);
	ck_assert_msg(process_start(&p, &proc, &e) == 0, "%s", e.msg);
	return process_reap(&proc);
}

START_TEST(returns_the_exit_status)
{
	ck_assert_int_eq(run_shell("exit 7", -1), 7);
	ck_assert_int_eq(run_shell("kill -9 $$", -1), 128 + SIGKILL);
}
END_TEST

/* As a shell's "trap '' CHLD" does: the kernel would reap our children. */
START_TEST(keeps_the_status_where_children_are_ignored)
{
	(void)signal(SIGCHLD, SIG_IGN);
	ck_assert_int_eq(run_shell("exit 7", -1), 7);
	(void)signal(SIGCHLD, SIG_IGN);
	ck_assert_int_eq(run_shell("(exit 3); exit $?", -1), 3);
}
END_TEST

/* The keeper ignores these signals; the program must start with their default action. */
START_TEST(resets_the_signals_of_failed_writes)
{
	signals_survive_writes();
	ck_assert_int_eq(run_shell("kill -PIPE $$", -1), 128 + SIGPIPE);
	ck_assert_int_eq(run_shell("kill -XFSZ $$", -1), 128 + SIGXFSZ);
}
END_TEST

START_TEST(passes_only_the_named_descriptors)
{
	int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char script[64];

	(void)snprintf(script, sizeof(script), "test -e /proc/self/fd/%d", passed);
	ck_assert_int_eq(run_shell(script, passed), 0);
	/* Our own descriptor keeps close-on-exec, so that no other program inherits it. */
	ck_assert_int_eq(fcntl(passed, F_GETFD), FD_CLOEXEC);
	(void)snprintf(script, sizeof(script), "test -e /proc/self/fd/%d", other);
	ck_assert_int_eq(run_shell(script, -1), 1);
	(void)close(passed);
	(void)close(other);
}
END_TEST

/* As a shell's "exec 9</etc/shadow" leaves it. */
START_TEST(keeps_the_descriptors_of_the_caller)
{
	char script[64];
	int stray = open("/dev/null", O_RDONLY); /* NOLINT(android-cloexec-open) */

	(void)snprintf(script, sizeof(script), "test -e /proc/self/fd/%d", stray);
	ck_assert_int_eq(run_shell(script, -1), 1);
	(void)close(stray);
}
END_TEST

START_TEST(keeps_the_environment_of_the_caller)
{
	struct program p = {0};
	struct process proc;
	struct err e = {0};

	ck_assert_int_eq(setenv("USHER_TEST_SECRET", "secret", 1), 0);
	ck_assert_int_eq(setenv("USHER_TEST_KEPT", "kept", 1), 0);
	program_word(&p, "sh");
	program_word(&p, "-c");
	program_word(&p, "test \"$USHER_TEST_SECRET$USHER_TEST_KEPT$TWICE\" = kept2");
	program_keep(&p, "USHER_TEST_KEPT");
	program_keep(&p, "USHER_TEST_ABSENT");
	program_env(&p, "TWICE=%d", 1);
	program_env(&p, "TWICE=%d", 2);
	ck_assert_uint_eq(p.env_count, 2);
	ck_assert_msg(process_start(&p, &proc, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(process_reap(&proc), 0);
}
END_TEST

/* In /proc/PID/stat the session is the fourth word after the name, and the group the third. */
START_TEST(has_a_session_of_its_own)
{
	ck_assert_int_eq(run_shell("read -r line </proc/$$/stat; set -- ${line##*) }; "
				   "test \"$3\" = $$ && test \"$4\" = $$",
				 -1),
		0);
}
END_TEST

START_TEST(goes_to_its_folder_or_to_the_root)
{
	struct program p = {0};
	struct process proc;

	program_word(&p, "sh");
	program_word(&p, "-c");
	program_word(&p, "test $(pwd -P) = /proc && exit 3; test $(pwd -P) = / && exit 4");
	program_dir(&p, "/%s", "proc");
	ck_assert_int_eq(process_start(&p, &proc, NULL), 0);
	ck_assert_int_eq(process_reap(&proc), 3);
	program_dir(&p, "/nowhere");
	ck_assert_int_eq(process_start(&p, &proc, NULL), 0);
	ck_assert_int_eq(process_reap(&proc), 4);
}
END_TEST

START_TEST(reports_a_missing_program_at_once)
{
	struct program p = {0};
	struct process proc;
	struct err e = {0};

	program_word(&p, "/nowhere/qemu");
	ck_assert_int_eq(process_start(&p, &proc, &e), -ENOENT);
	ck_assert_str_eq(e.msg, "start /nowhere/qemu: No such file or directory");
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}
END_TEST

/* The caller does something else between the two steps, and hears of the failure afterwards. */
START_TEST(starts_in_two_steps)
{
	struct program missing = {0}, sleeper = {0};
	struct process proc;
	struct err e = {0};

	program_word(&missing, "/nonexistent/program");
	ck_assert_int_eq(process_begin(&missing, &proc, &e), 0);
	ck_assert_int_eq(process_confirm(&missing, &proc, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "/nonexistent/program"));
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* there is no child */

	program_word(&sleeper, "sleep");
	program_word(&sleeper, "100");
	ck_assert_int_eq(process_begin(&sleeper, &proc, &e), 0);
	process_discard(&proc); /* whether or not it executes already */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(proc.pidfd, -1);
	ck_assert_int_eq(proc.report_fd, -1);
}
END_TEST

START_TEST(names_the_folder_that_the_user_may_not_enter)
{
	char folder[] = "/tmp/usher-process.XXXXXX", path[64], expected[160];
	struct program p = {0};
	struct process proc;
	struct err e = {0};

	if (geteuid() == 0) /* root enters every folder */
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0), 0);
	(void)snprintf(path, sizeof(path), "%s/in/program", folder);
	program_word(&p, path);
	int r = process_start(&p, &proc, &e);
	(void)rmdir(folder);
	ck_assert_int_eq(r, -EACCES);
	(void)snprintf(expected, sizeof(expected), "start %s: user %u may not enter %s", path,
		(unsigned)geteuid(), folder);
	ck_assert_str_eq(e.msg, expected);
}
END_TEST

static void expect_status_line(const char *line)
{
	struct program p = {.own_pids = true};
	struct process proc;
	struct err e = {0};

	program_word(&p, "grep");
	program_word(&p, "-qx");
	program_word(&p, line);
	program_word(&p, "/proc/self/status");
	ck_assert_msg(process_start(&p, &proc, &e) == 0, "%s", e.msg);
	ck_assert_int_gt(proc.pid, 1);
	ck_assert_msg(process_reap(&proc) == 0, "no line %s", line);
}

/*
 * The first process of its namespace. Signals that ask for its end wait until it handles them: the
 * kernel would drop them.
 */
START_TEST(starts_the_first_process_of_a_namespace)
{
	if (geteuid() != 0)
		return; /* the host may forbid it */
	expect_status_line("NSpid:.*\t1");
	expect_status_line("SigBlk:.0*4007");
}
END_TEST

static void expect_death_with_parent(bool own_pids)
{
	int fds[2];
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct program p = {.die_signal = SIGKILL, .own_pids = own_pids};
		struct process proc;
		program_word(&p, "sleep");
		program_word(&p, "100");
		program_fd(&p, fds[1]);
		(void)process_start(&p, &proc, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
	(void)close(fds[1]);
	/* End of file: no process has the other end open. */
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	(void)close(fds[0]);
}

START_TEST(dies_with_its_parent_on_request)
{
	expect_death_with_parent(false);
	expect_death_with_parent(true);
}
END_TEST

START_TEST(refuses_too_many_arguments)
{
	struct program p = {0};
	struct process proc;
	struct err e = {0};

	for (int i = 0; i < PROCESS_ARGS_MAX; i++)
		program_word(&p, "x");
	ck_assert_int_eq(p.error, 0);
	program_word(&p, "x");
	ck_assert_int_eq(p.error, -E2BIG);
	ck_assert_int_eq(process_start(&p, &proc, &e), -E2BIG);
	ck_assert_int_eq(program_check(&p, &e), -E2BIG);
	ck_assert_str_eq(e.msg, "the program would get more than 4096 words");
	struct program q = {0};
	program_arg(&q, "%40000d", 1);
	ck_assert_int_eq(program_check(&q, &e), -E2BIG);
	ck_assert_str_eq(e.msg, "variables and devices need more than 32768 bytes");
}
END_TEST

/* Runs the shell at a terminal of its own. Return: its status. */
static int run_at_terminal(bool background, const char *script)
{
	int master, status;
	pid_t leader = forkpty(&master, NULL, NULL, NULL);

	if (leader == 0) {
		pid_t job = fork();
		if (job == 0) {
			if (background)
				(void)setpgid(0, 0);
			_exit(run_shell(script, -1));
		}
		(void)waitpid(job, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	ck_assert_int_eq(waitpid(leader, &status, 0), leader);
	(void)close(master);
	return WEXITSTATUS(status);
}

/* A program in another session that read from it would take the words of the person's shell. */
START_TEST(a_job_in_the_background_gets_no_terminal)
{
	const char *script = "case $(readlink /proc/self/fd/0) in /dev/null) exit 7 ;; "
			     "/dev/pts/*) exit 8 ;; esac";

	ck_assert_int_eq(run_at_terminal(true, script), 7);
	ck_assert_int_eq(run_at_terminal(false, script), 8);
}
END_TEST

/* Before a device is taken for it. */
START_TEST(an_engine_refuses_what_does_not_fit)
{
	static char *words[PROCESS_ARGS_MAX + 2], word[] = "x", machine[] = "-M";
	struct guest_spec s = {.name = "x", .memory = 1 << 20, .device_count = 1};
	char long_variable[33000];
	struct err e = {0};

	for (int i = 0; i < PROCESS_ARGS_MAX + 1; i++)
		words[i] = word;
	words[0] = machine;
	s.engine_args = words;
	ck_assert_int_eq(setenv("QEMU_SYSTEM", "/bin/sh", 1), 0);
	ck_assert_int_eq(engine_qemu.check(&s, &e), -E2BIG);
	ck_assert_int_eq(engine_exec.check(&s, &e), -E2BIG);
	words[1] = NULL;
	ck_assert_int_eq(engine_qemu.check(&s, &e), 0);
	ck_assert_int_eq(engine_exec.check(&s, &e), 0);
	memset(long_variable, 'x', sizeof(long_variable) - 1);
	long_variable[sizeof(long_variable) - 1] = '\0';
	long_variable[1] = '=';
	s.env[s.env_count++] = long_variable;
	ck_assert_int_eq(engine_qemu.check(&s, &e), -E2BIG);
	ck_assert_int_eq(engine_exec.check(&s, &e), -E2BIG);
	s.env_count = 0;
	ck_assert_int_eq(setenv("QEMU_SYSTEM", "/nowhere/qemu", 1), 0);
	ck_assert_int_eq(engine_qemu.check(&s, &e), -ENOENT);
}
END_TEST

SUITE("process", a_job_in_the_background_gets_no_terminal, returns_the_exit_status,
	keeps_the_status_where_children_are_ignored, resets_the_signals_of_failed_writes,
	passes_only_the_named_descriptors, keeps_the_descriptors_of_the_caller,
	keeps_the_environment_of_the_caller, has_a_session_of_its_own,
	goes_to_its_folder_or_to_the_root, reports_a_missing_program_at_once, starts_in_two_steps,
	starts_in_two_steps, names_the_folder_that_the_user_may_not_enter,
	starts_the_first_process_of_a_namespace, dies_with_its_parent_on_request,
	refuses_too_many_arguments, an_engine_refuses_what_does_not_fit)
