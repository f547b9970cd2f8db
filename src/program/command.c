/* SPDX-License-Identifier: MIT */
#include "program/command.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * Only a process with the user's rights can know whether that user may execute a file. execvp(3) is
 * no help: it says EACCES without a name, also for a program that PATH does not have, if the user
 * may not enter one of its folders. So command_seek() walks the path itself, in a process that
 * has these rights: the child of command_find(), or one that has failed to execute the program.
 */
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/*
 * execve(2) fails with EACCES if the user may not enter a folder of the path, but does not say
 * which folder. Return: as command.barred.
 */
static uint32_t barred_folder(const char *path)
{
	char folder[COMMAND_PATH_MAX];

	for (size_t i = 0; i < sizeof(folder) && path[i]; folder[i] = path[i], i++) {
		if (path[i] != '/' || i == 0)
			continue;
		folder[i] = '\0';
		if (access(folder, X_OK) < 0)
			return errno == EACCES ? (uint32_t)i : 0;
	}
	return 0;
}

/* Return: 0, -EACCES, -ENOENT, -errno. */
static int file_try(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

static struct command need_interpreter(const char *path)
{
	struct command c = {0};

	c.code = interpreter_check(path, c.interpreter);
	if (c.code == 0)
		c.interpreter[0] = '\0';
	return c;
}

static struct command seek_path(const char *name, char *path)
{
	char own[COMMAND_PATH_MAX];
	int n;

	if (name[0] == '/')
		n = snprintf(path, COMMAND_PATH_MAX, "%s", name);
	else if (getcwd(own, sizeof(own)))
		n = snprintf(path, COMMAND_PATH_MAX, "%s/%s", own, name);
	else
		return (struct command){.code = -errno};
	if (n >= COMMAND_PATH_MAX)
		return (struct command){.code = -ENAMETOOLONG};
	struct command c = {.code = file_try(path)};
	/* The caller's word counts: a message quotes it. */
	if (c.code == -EACCES)
		c.barred = barred_folder(name);
	return c.code < 0 ? c : need_interpreter(path);
}

/* As execvp(3) has it, a file that cannot be executed does not end the search. */
static struct command seek_in_folders(const char *name, const char *at, char *path)
{
	struct command c = {.code = -ENOENT};

	while (*at) {
		int len = (int)strcspn(at, ":");
		int n = snprintf(
			path, COMMAND_PATH_MAX, "%.*s/%s", len ? len : 1, len ? at : ".", name);
		int r = n < COMMAND_PATH_MAX ? file_try(path) : -ENAMETOOLONG;
		if (r == 0)
			return (struct command){0};
		bool is_there = access(path, F_OK) == 0;
		if (r == -EACCES && is_there)
			c.code = r;
		c.passed += r == -EACCES && !is_there;
		at += len;
		at += *at == ':';
	}
	if (c.code != -ENOENT)
		c.passed = 0;
	return c;
}

struct command command_seek(const char *name, char *path)
{
	char found[COMMAND_PATH_MAX];
	const char *folders = getenv("PATH");

	if (!path)
		path = found;
	if (strchr(name, '/'))
		return seek_path(name, path);
	if (!name[0])
		return (struct command){.code = -ENOENT};
	struct command c = seek_in_folders(name, folders ? folders : PATH_DEFAULT, path);
	/* A folder of PATH may be a relative one. */
	if (c.code < 0)
		return c;
	if (path[0] == '/')
		return need_interpreter(path);
	(void)snprintf(found, sizeof(found), "%s", path);
	return seek_path(found, path);
}

int command_report(const struct command *c, const char *name, uid_t uid, struct err *e)
{
	if (c->passed) {
		(void)err_say(e, c->code, "start %s: no such program in PATH", name);
		err_hint(e, "give its full path; user %u may not enter %u folder%s of PATH",
			(unsigned)uid, c->passed, c->passed == 1 ? "" : "s");
		return c->code;
	}
	if (c->interpreter[0]) {
		(void)err_set(e, c->code, "start %s: its interpreter %s", name, c->interpreter);
		err_hint(e, "install what has %s", c->interpreter);
		return c->code;
	}
	if (!c->barred)
		return err_set(e, c->code, "start %s", name);
	(void)err_say(e, c->code, "start %s: user %u may not enter %.*s", name, (unsigned)uid,
		(int)c->barred, name);
	err_hint(e, "put the program where user %u has access, such as /usr/local/bin",
		(unsigned)uid);
	return c->code;
}

struct finding {
	struct command command;
	char path[COMMAND_PATH_MAX];
};

__attribute__((noreturn)) static void finder_main(
	const char *name, uid_t uid, gid_t gid, int report)
{
	struct finding f = {0};

	/* Without that right usher itself fails later, and says so. */
	bool became = setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
		      setresuid(uid, uid, uid) == 0;
	(void)became;
	f.command = command_seek(name, f.path);
	_exit(fd_write_full(report, &f, sizeof(f)) < 0 ? 1 : 0);
}

int command_find(const char *name, uid_t uid, gid_t gid, char *path, struct err *e)
{
	int ends[2];
	struct finding f;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "start %s", name);
	cleanup_fd int in = ends[0];
	cleanup_fd int out = ends[1];
	pid_t pid = fork();
	if (pid < 0)
		return err_set(e, -errno, "start %s", name);
	if (pid == 0)
		finder_main(name, uid, gid, out);
	fd_close(&out);
	int r = fd_read_full(in, &f, sizeof(f));
	(void)waitpid(pid, NULL, 0);
	if (r < 0)
		return err_set(e, r, "start %s", name);
	if (f.command.code < 0)
		return command_report(&f.command, name, uid, e);
	memcpy(path, f.path, sizeof(f.path));
	return 0;
}
