/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_PROCESS_H
#define PROGRAM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup;
struct confine;
struct err;

#define PROCESS_ENV_MAX 96
#define PROCESS_ARGS_MAX 4096
#define PROCESS_FDS_MAX 128

/* A program to start: its arguments, and the descriptors that it inherits with their numbers. */
struct program {
	size_t argc;
	char *argv[PROCESS_ARGS_MAX + 1];
	char text[32768]; /* formatted arguments and variables */
	size_t used;
	size_t fd_count;
	int fds[PROCESS_FDS_MAX];
	uint64_t memlock; /* [bytes] the least RLIMIT_MEMLOCK; 0: unchanged */
	size_t env_count;
	char *env[PROCESS_ENV_MAX + 1]; /* "NAME=value", in text: all of its environment */
	const char *file; /* what to execute; NULL: argv[0], by PATH */
	int stdin_fd; /* its standard input; 0: ours */
	int stdout_fd; /* its standard output; 0: ours */
	int stderr_fd; /* its standard error; 0: ours */
	const char *dir; /* its working folder, or "/" if it may not enter; NULL: ours */
	int error; /* 0; -E2BIG: an array or the text is full */
	bool own_group; /* signals of the terminal, and of timeout(1), do not reach it */
	bool in_session; /* stays in our session, and shares the terminal as job control has it */
	/* Runs in its process, with our rights, before it executes. NULL: nothing. */
	int (*enter)(const void *arg);
	const void *enter_arg;
	const struct confine *confine; /* NULL: not confined; outlives process_start() */
	const struct cgroup *cgroup; /* it starts in this one; NULL: in ours */
	bool own_pids; /* the first process of a PID namespace, if the host permits one */
	int die_signal; /* the kernel sends it when this process dies; 0: none */
};

/* These record the first failure in @p->error; process_start() returns it. */

/* Appends a word; @fmt's result is copied. */
void program_arg(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds "NAME=value" to its environment, which is empty at first. */
void program_env(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds our own variable @name, if there is one. */
void program_keep(struct program *p, const char *name);
/* Sets its working folder. */
void program_dir(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends @word, which must outlive @p. */
void program_word(struct program *p, const char *word);
/*
 * Whether all of it found room, before a device is taken for it. Return: 0, -E2BIG with a sentence.
 */
int program_check(const struct program *p, struct err *e);
/* Lets the program inherit @fd. */
void program_fd(struct program *p, int fd);

struct process {
	pid_t pid;
	int pidfd;
	int report_fd; /* from which process_confirm() hears why it does not run */
	uint64_t lacks; /* namespaces of its confinement that the host has not: CLONE_NEW… */
};

/*
 * Starts the program with default signals and only the named descriptors and variables, mostly in a
 * session of its own. If the terminal at our standard input belongs to another process group, such
 * a program gets /dev/null instead. Waits until the program
 * executes, so that a failure to execute is an error here.
 * Return: 0, -E2BIG, -ENOENT, -EACCES, -errno.
 */
int process_start(const struct program *p, struct process *ret, struct err *e);

/*
 * The same in two steps: between them the caller has time for something else. If process_begin()
 * succeeds, the caller calls process_confirm(); if that fails, the process is gone.
 */
int process_begin(const struct program *p, struct process *ret, struct err *e);
int process_confirm(const struct program *p, struct process *started, struct err *e);

/* Ends a process that nobody needs, before or after process_confirm(). */
void process_discard(struct process *p);

/* Waits for the end of the process. Return: the status as a shell has it: 0-255, 128 + signal. */
int process_reap(struct process *p);

#endif
