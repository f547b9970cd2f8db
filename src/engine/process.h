/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PROCESS_H
#define ENGINE_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct confine;
struct err;

#define PROCESS_ENV_MAX 8
#define PROCESS_ARGS_MAX 256
#define PROCESS_FDS_MAX 128

/* A program to start: its words, and the descriptors it inherits under their own numbers. */
struct program {
	size_t argc;
	char *argv[PROCESS_ARGS_MAX + 1];
	char text[8192]; /* the words that were made here */
	size_t used;
	size_t fd_count;
	int fds[PROCESS_FDS_MAX];
	uint64_t memlock; /* [bytes] RLIMIT_MEMLOCK it needs at least; 0: as it is */
	size_t env_count;
	char *env
		[PROCESS_ENV_MAX]; /* "NAME=value", in text, besides the environment that we have */
	const struct confine *confine; /* NULL: as we are; outlives the start */
	int die_signal; /* sent to it by the kernel when we die; 0: it watches by itself */
};

/* Appends a word; @fmt's result is copied. Return: 0, -E2BIG. */
int program_arg(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds "NAME=value" to its environment. Return: 0, -E2BIG. */
int program_env(struct program *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends a word that outlives the program. Return: 0, -E2BIG. */
int program_word(struct program *p, const char *word);
/* Lets the program inherit @fd. Return: 0, -E2BIG. */
int program_fd(struct program *p, int fd);

struct process {
	pid_t pid;
	int pidfd;
};

/*
 * Starts it: signals unblocked, all other descriptors closed on exec. A program that cannot be
 * executed is told here, not by its exit status. Return: 0, -ENOENT, -EACCES, -errno.
 */
int process_start(const struct program *p, struct process *ret, struct err *e);

/* Reaps it. Return: the shell's form of a status: 0-255, 128 + signal. */
int process_reap(struct process *p);

#endif
