/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_RUN_H
#define TEST_UNIT_VMM_RUN_H

#include "vmm/vmm_send.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs usher-vmm ($USHER_VMM) as a program. run_out has its stdout and stderr. */
static char run_out[8192];
static int run_pipe;

static int run_line = -1; /* the keeper's end; the guest ends when it is closed */

/* @socket: usher-vmm's end, which is closed here; -1: @words are its arguments. */
static inline pid_t run_words(const char *const *words, int socket)
{
	const char *argv[32] = {getenv("USHER_VMM"), "--keeper"};
	char text[16];
	int out[2];

	if (socket < 0)
		for (size_t i = 0; i == 0 || words[i - 1]; i++)
			argv[i + 1] = words[i];
	(void)snprintf(text, sizeof(text), "%d", socket);
	if (socket >= 0)
		argv[2] = text;
	if (!argv[0] || pipe(out) < 0)
		return -1;
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(out[1], STDERR_FILENO);
		if (run_line >= 0)
			(void)close(run_line);
		(void)execv(argv[0], (char *const *)(const void *)argv);
		_exit(126);
	}
	(void)close(out[1]);
	run_pipe = out[0];
	return pid;
}

/* Runs a guest that the words describe. */
static inline pid_t run_start(const char *const *words)
{
	int socket = send_words(words, &run_line);
	pid_t pid = run_words(NULL, socket);

	(void)close(socket);
	return pid;
}

/* Return: exit status, 128 and above when a signal ended it. */
static inline int run_finish(pid_t pid)
{
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < sizeof(run_out) - 1 &&
		(n = read(run_pipe, run_out + len, sizeof(run_out) - 1 - len)) > 0)
		len += (size_t)n;
	run_out[len] = 0;
	(void)close(run_pipe);
	if (run_line >= 0)
		(void)close(run_line);
	run_line = -1;
	(void)waitpid(pid, &status, 0);
	/* Also before the first test, where no assertion may be. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		(void)fprintf(stderr, "a filter of usher-vmm refuses a call of it: %s", run_out);
		abort();
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define run_vmm(...) run_finish(run_start((const char *const[]){__VA_ARGS__, NULL}))

/* Runs the program with these arguments, without a description of a guest. */
#define run_bare(...) run_finish(run_words((const char *const[]){__VA_ARGS__, NULL}, -1))

#define expect_run(status, word, ...)                                                       \
	do {                                                                                \
		int status_ = run_vmm(__VA_ARGS__);                                         \
		ck_assert_msg(status_ == (status), "exit status %d: %s", status_, run_out); \
		ck_assert_msg(strstr(run_out, word), "'%s' is not in '%s'", word, run_out); \
	} while (0)

#endif
