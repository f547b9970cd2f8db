/* SPDX-License-Identifier: MIT */
/* A verb's output while it changes the machine, to readers that are slow, stuck or gone. */
#include "cli/change.h"

#include "base/fd.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define LINES 4000 /* more than a pipe, a socket or a terminal holds */

/* Replaces standard output and error of this test, which is a process of its own. */
static void output_set(int fd)
{
	ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	(void)close(fd);
}

static void lines_print(void)
{
	for (int i = 0; i < LINES; i++) {
		(void)printf("out %d\n", i);
		(void)fflush(stdout);
		(void)fprintf(stderr, "err %d\n", i);
	}
}

/* Reads all lines in order. A terminal turns \n into \r\n. */
static void lines_expect(int fd)
{
	FILE *f = fdopen(fd, "r");
	char line[64], expected[64];

	for (int i = 0; i < 2 * LINES; i++) {
		ck_assert_msg(fgets(line, sizeof(line), f) != NULL, "line %d is missing", i);
		line[strcspn(line, "\r\n")] = '\0';
		(void)snprintf(expected, sizeof(expected), "%s %d", i % 2 ? "err" : "out", i / 2);
		ck_assert_str_eq(line, expected);
	}
	(void)fclose(f);
}

/* Nothing reads the lines while they are printed; a reader comes when the change is over. */
static void expect_all_later(int write_fd, int read_fd)
{
	int status;

	output_set(write_fd);
	change_begin();
	(void)alarm(20); /* without a handler it ends the test */
	lines_print();
	pid_t writer = fork();
	if (writer == 0)
		_exit(change_end() == 0 ? 0 : 1);
	lines_expect(read_fd);
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert_int_eq(status, 0);
}

START_TEST(a_stuck_pipe_loses_nothing)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	expect_all_later(fds[1], fds[0]);
}
END_TEST

START_TEST(a_stuck_socket_loses_nothing)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	expect_all_later(fds[1], fds[0]);
}
END_TEST

static int terminal_open(int *ret_master)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	int fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	*ret_master = master;
	return fd;
}

START_TEST(a_stopped_terminal_holds_nothing_up)
{
	struct pollfd p = {.events = POLLIN};
	int fd = terminal_open(&p.fd);

	ck_assert_int_eq(tcflow(fd, TCOOFF), 0);
	output_set(fd);
	change_begin();
	(void)alarm(20);
	lines_print();
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	(void)raise(SIGTERM); /* the waiting person wants the end */
	ck_assert_int_eq(change_end(), -ETIMEDOUT);
}
END_TEST

START_TEST(a_dead_pipe_is_an_error_at_the_end)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	(void)close(fds[0]);
	output_set(fds[1]);
	change_begin();
	lines_print();
	ck_assert_int_eq(change_end(), -EPIPE);
}
END_TEST

/* Who closes standard output does not want the words of a change, but those of a report. */
START_TEST(a_closed_output_fails_a_report_alone)
{
	(void)close(STDOUT_FILENO);
	fd_fill_standard();
	(void)printf("what was asked for\n");
	ck_assert_int_eq(report_finish(LEAVE_OK, 0), LEAVE_FAILED);
	change_begin();
	(void)printf("group 3: bound\n");
	ck_assert_int_eq(report_finish(LEAVE_OK, 0), LEAVE_OK);
	ck_assert_int_eq(report_finish(LEAVE_REFUSED, 0), LEAVE_REFUSED);
}
END_TEST

START_TEST(a_full_output_fails_a_change)
{
	output_set(open("/dev/full", O_WRONLY | O_CLOEXEC));
	change_begin();
	(void)printf("group 3: bound\n");
	ck_assert_int_eq(report_finish(LEAVE_OK, 0), LEAVE_FAILED);
}
END_TEST

/* A line is written at once if that does not block: it shows what usher is waiting for. */
START_TEST(a_reader_sees_each_line_at_once)
{
	char line[16] = "";
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	output_set(fds[1]);
	change_begin();
	(void)fprintf(stderr, "group %d\n", 3);
	ck_assert_int_eq((int)read(fds[0], line, sizeof(line)), 8);
	ck_assert_str_eq(line, "group 3\n");
	ck_assert_int_eq(change_end(), 0);
	ck_assert_int_eq(change_end(), 0);
}
END_TEST

static volatile sig_atomic_t caught;

static void signal_note(int number)
{
	caught = number;
}

START_TEST(signals_wait_for_the_end)
{
	sigset_t pending;

	(void)signal(SIGINT, signal_note);
	(void)signal(SIGTSTP, signal_note);
	change_begin();
	(void)raise(SIGINT);
	(void)raise(SIGTSTP);
	(void)sigpending(&pending);
	ck_assert_int_eq(sigismember(&pending, SIGINT), 1);
	ck_assert_int_eq(sigismember(&pending, SIGTSTP), 1);
	ck_assert_int_eq(caught, 0);
	ck_assert_int_eq(change_end(), 0);
	ck_assert_int_eq(
		caught, SIGTSTP); /* the signal was taken, because there was nothing to wait for */
	(void)raise(SIGINT);
	ck_assert_int_eq(caught, SIGINT);
}
END_TEST

SUITE("change", a_stuck_pipe_loses_nothing, a_stuck_socket_loses_nothing,
	a_stopped_terminal_holds_nothing_up, a_dead_pipe_is_an_error_at_the_end,
	a_closed_output_fails_a_report_alone, a_full_output_fails_a_change,
	a_reader_sees_each_line_at_once, signals_wait_for_the_end)
