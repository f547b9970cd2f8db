/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_TOOL_H
#define PROGRAM_TOOL_H

#include "program/confine.h"
#include "program/process.h"
#include "program/root.h"
#include "program/uid.h"

struct err;

#define TOOL_MEMORY_MAX GIB(2) /* of address space */
#define TOOL_SECONDS 60 /* of processor time */
#define TOOL_SPARSE_MAX GIB(1024) /* qemu-img says nothing when a limit cuts its file off */
#define TOOL_WAIT_MS 300000 /* an emulated host is slow */
#define TOOL_QEMU_IMG "qemu-utils (outside of Debian and Ubuntu: qemu-img)" /* its package */

/*
 * A program of others that works on files which may be made to harm, such as qemu-img, for a
 * moment: with a root file system of its own (program/root.h), a user of its own if usher is root,
 * and bounded time, memory and output.
 *
 *	struct tool *t = tool_new("qemu-img", TOOL_QEMU_IMG, run_dir, e);
 *	r = tool_file(t, path, fd, "/image", false, e);
 *	program_word(&t->program, "info"); …
 *	r = tool_run(t, &end, e);
 *	tool_free(t);
 */
struct tool {
	struct program program; /* its words: argv[0] is there */
	struct confine confine;
	struct root root;
	struct uid_lease uid;
	const char *name;
	int lifeline, made_line, made; /* descriptors */
};

/* How it ended. */
struct tool_end {
	int status; /* as a shell has it */
	char *out; /* its standard output, with a NUL behind it; free() */
	size_t len;
	char said[256]; /* the first line of its standard error, escaped, without its name */
};

/*
 * Finds @name by PATH; @package is what has it. @run_dir: BIND_STATE_DIR, for its user.
 * Return: 0 with a tool to tool_free(); -ENOENT it is not installed; -ENOMEM, -errno.
 */
int tool_new(const char *name, const char *package, const char *run_dir, struct tool **ret,
	struct err *e);

/* Gives it the file at @path, which is open as @fd, under the path @name. Return: 0, -errno. */
int tool_file(
	struct tool *t, const char *path, int fd, const char *name, bool writable, struct err *e);

/*
 * Gives it an empty file @name, which it may fill with @room bytes, and with holes up to
 * TOOL_SPARSE_MAX: t->made after its end.
 */
int tool_make(struct tool *t, const char *name, uint64_t room, struct err *e);

/*
 * Runs it to its end. @ret->out: free(), whatever is returned.
 * Return: 0 (it ended with a status); -EINVAL it took too long, said too much or died; -EPERM it
 * cannot be confined here; -errno.
 */
int tool_run(struct tool *t, struct tool_end *ret, struct err *e);
void tool_free(struct tool *t);

#endif
