/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_COMMAND_H
#define PROGRAM_COMMAND_H

#include "program/interpreter.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define COMMAND_PATH_MAX 4096

/* Whether a program can be executed; if not, why. */
struct command {
	int code; /* 0, -ENOENT no such file, -EACCES no right to it, -errno */
	uint32_t barred; /* [bytes] of the path, up to the folder without access; 0: none */
	uint32_t passed; /* folders of PATH without access, if PATH has no such program */
	char interpreter[INTERPRETER_MAX]; /* @code is that of this file, which it needs; "" */
};

/*
 * Looks for the program @name as execvp(3) does, with the rights of this process.
 * @path: COMMAND_PATH_MAX bytes for its absolute path; NULL: not wanted. Safe between fork and
 * exec.
 */
struct command command_seek(const char *name, char *path);

/* The error of @c in words; @uid: the user without the right. Return: @c->code. */
int command_report(const struct command *c, const char *name, uid_t uid, struct err *e);

/*
 * Looks for @name with the rights of another user, in a process of its own. Without the right to
 * become that user, it looks with our own rights.
 * Return: 0 with the absolute path in @path (COMMAND_PATH_MAX bytes); -ENOENT, -EACCES, -errno.
 */
int command_find(const char *name, uid_t uid, gid_t gid, char *path, struct err *e);

#endif
