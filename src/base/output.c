/* SPDX-License-Identifier: MIT */
#include "base/output.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * How it works. No link is followed by the kernel: output_walk() opens the path one component at a
 * time, with O_NOFOLLOW, and puts the text of a link in front of what is left of the path after it
 * has looked at the link's owner. Owner and text are read through one descriptor, so nobody can
 * exchange the link in between. The walk ends with a descriptor of the folder and a name in it that
 * is not a link. All that follows is relative to that descriptor.
 *
 * The one exception are the links of /proc (/dev/stdout leads to one): their text is not a path, so
 * the kernel has to follow them. Nobody can plant one.
 */

#define LINKS_MAX 40 /* as in the kernel */
#define NEW_TRIES 8

struct output_walk {
	int dir; /* the folder reached so far */
	unsigned links;
	bool follow; /* the last component is a link of /proc */
	bool waits; /* for the reader of a FIFO, as the shell's '>' does */
	char name[NAME_MAX + 1]; /* the last component */
	char rest[PATH_MAX]; /* what is left of the path */
};

bool output_trusts_owner(uid_t uid)
{
	const char *sudo = geteuid() == 0 ? getenv("SUDO_UID") : NULL;
	char *end;

	if (uid == geteuid() || uid == 0)
		return true;
	return sudo && *sudo && strtoul(sudo, &end, 10) == uid && !*end;
}

static int owner_refuse(const char *kind, const char *name, uid_t uid, struct err *e)
{
	(void)err_say(e, -EPERM, "'%s' is a %s of another user (uid %u)", name, kind, uid);
	err_hint(e, "name a file in a folder where only you can write");
	return -EPERM;
}

/* Moves the first component of @w->rest to @w->name. Return: whether it is the last one. */
static int walk_next(struct output_walk *w)
{
	const char *at = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(at, "/");

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(w->name, at, len);
	w->name[len] = '\0';
	at += len;
	bool last = *at == '\0';
	memmove(w->rest, at, strlen(at) + 1);
	if (last && (len == 0 || strcmp(w->name, ".") == 0 || strcmp(w->name, "..") == 0))
		return -EISDIR;
	return last;
}

static int walk_enter(struct output_walk *w, int dir)
{
	if (dir < 0)
		return -errno;
	fd_close(&w->dir);
	w->dir = dir;
	return 0;
}

static int walk_link(struct output_walk *w, int link, struct err *e)
{
	char text[PATH_MAX];
	struct stat st;

	if (fstat(link, &st) < 0)
		return -errno;
	if (!output_trusts_owner(st.st_uid))
		return owner_refuse("symbolic link", w->name, st.st_uid, e);
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	ssize_t len = readlinkat(link, "", text, sizeof(text));
	if (len < 0)
		return -errno;
	if ((size_t)len + strlen(w->rest) >= sizeof(w->rest))
		return -ENAMETOOLONG;
	memmove(w->rest + len, w->rest, strlen(w->rest) + 1);
	memcpy(w->rest, text, (size_t)len);
	if (w->rest[0] != '/')
		return 0;
	return walk_enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static bool is_on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* One component. Return: 1 at the last one, 0 when the walk goes on, -errno. */
static int walk_step(struct output_walk *w, struct err *e)
{
	struct stat st;

	int last = walk_next(w);
	if (last < 0)
		return last;
	cleanup_fd int fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return last && errno == ENOENT ? 1 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return last ? 1 : walk_enter(w, TAKE_FD(fd));
	if (!is_on_proc(fd))
		return walk_link(w, fd, e);
	if (!output_trusts_owner(st.st_uid))
		return owner_refuse("symbolic link", w->name, st.st_uid, e);
	w->follow = last;
	return last ? 1 : walk_enter(w, openat(w->dir, w->name, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int output_walk(struct output_walk *w, const char *path, struct err *e)
{
	size_t len = strlen(path);
	int r;

	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(w->rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, path, len + 1);
	r = walk_enter(w, open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	while (r == 0)
		r = walk_step(w, e);
	return r < 0 ? r : 0;
}

/*
 * A file or FIFO of another user, who would lose its content or could read what is written; a disk;
 * a folder.
 */
static int output_judge(const struct output_walk *w, const struct stat *st, struct err *e)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	/* Written as a file, it would lose the file system that the host may have mounted. */
	if (S_ISBLK(st->st_mode))
		return err_say(e, -EPERM, "'%s' is a disk", w->name);
	if (S_ISREG(st->st_mode) && !output_trusts_owner(st->st_uid))
		return owner_refuse("file", w->name, st->st_uid, e);
	if (S_ISFIFO(st->st_mode) && !output_trusts_owner(st->st_uid))
		return owner_refuse("FIFO", w->name, st->st_uid, e);
	return 0;
}

/* Another name of root's own file (a hard link in /tmp) must not empty that file. */
static bool is_linked_twice(const struct output_walk *w, const struct stat *st)
{
	struct stat folder;

	if (!S_ISREG(st->st_mode) || st->st_nlink < 2 || fstat(w->dir, &folder) < 0)
		return false;
	return (folder.st_mode & (S_IWGRP | S_IWOTH)) || !output_trusts_owner(folder.st_uid);
}

static int open_existing(const struct output_walk *w, struct err *e)
{
	struct stat st;

	const int flags = (w->follow ? 0 : O_NOFOLLOW) | (w->waits ? 0 : O_NONBLOCK);
	cleanup_fd int fd = openat(w->dir, w->name, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags);

	if (fd < 0 && errno == ENXIO)
		return err_say(e, -ENXIO, "nobody reads from it");
	if (fd < 0)
		return -errno;
	/* That open() does not wait says nothing about write(). */
	if (!w->waits && fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	int r = output_judge(w, &st, e);
	if (r < 0)
		return r;
	if (is_linked_twice(w, &st))
		return err_say(e, -EPERM, "'%s' has a second name elsewhere", w->name);
	if (S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_in_place(const struct output_walk *w, unsigned mode, struct err *e)
{
	struct stat st;
	const int flags = w->follow ? 0 : AT_SYMLINK_NOFOLLOW;

	/* Before open(): a FIFO of another user would keep open() waiting for a reader. */
	if (fstatat(w->dir, w->name, &st, flags) == 0) {
		int r = output_judge(w, &st, e);
		return r < 0 ? r : open_existing(w, e);
	}
	if (errno != ENOENT)
		return -errno;
	int fd =
		openat(w->dir, w->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	return fd;
}

/* A name that nobody can know before: another user may have planted a file of any other. */
static int name_draw(char name[32])
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	(void)snprintf(name, 32, ".usher-%016" PRIx64, random);
	return 0;
}

/* The new file lies beside the old one until rename(2). */
static int open_new(const struct output_walk *w, char name[32], unsigned mode)
{
	int fd = -1;

	for (int tries = 0; fd < 0 && tries < NEW_TRIES; tries++) {
		int r = name_draw(name);
		if (r < 0)
			return r;
		fd = openat(w->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd < 0 && errno != EEXIST)
			return -errno;
	}
	return fd < 0 ? -EEXIST : fd;
}

/* The kernel replaces no file by linkat(2), so that the new one gets another name first. */
static int name_link(const struct output_walk *w, int fd, char name[32])
{
	char self[32];
	int r = -1;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	for (int tries = 0; r < 0 && tries < NEW_TRIES; tries++) {
		r = name_draw(name);
		if (r < 0)
			return r;
		r = linkat(AT_FDCWD, self, w->dir, name, AT_SYMLINK_FOLLOW);
		if (r < 0 && errno != EEXIST)
			return -errno;
	}
	return r < 0 ? -EEXIST : 0;
}

/*
 * Nothing is left of a file without a name when usher dies while it writes.
 * Return: 0; 1 this file system has none, or /proc is not there; -errno.
 */
static int replace_unseen(const struct output_walk *w, const void *data, size_t len, unsigned mode)
{
	char name[32];

	cleanup_fd int fd = openat(w->dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (fd < 0)
		return 1;
	int r = fd_write_full(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (name_link(w, fd, name) < 0)
		return 1;
	if (renameat(w->dir, name, w->dir, w->name) == 0)
		return 0;
	r = -errno;
	(void)unlinkat(w->dir, name, 0);
	return r;
}

static int replace_file(const struct output_walk *w, const void *data, size_t len, unsigned mode)
{
	char name[32];
	int done = replace_unseen(w, data, len, mode);

	if (done <= 0)
		return done;
	cleanup_fd int fd = open_new(w, name, mode);
	if (fd < 0)
		return fd;
	int r = fd_write_full(fd, data, len);
	if (r == 0 && (fsync(fd) < 0 || renameat(w->dir, name, w->dir, w->name) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(w->dir, name, 0);
	return r;
}

static int write_whole(
	const struct output_walk *w, const void *data, size_t len, unsigned mode, struct err *e)
{
	struct stat st;
	bool exists = !w->follow && fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (w->follow || (exists && !S_ISREG(st.st_mode))) {
		cleanup_fd int fd = open_in_place(w, mode, e);
		return fd < 0 ? fd : fd_write_full(fd, data, len);
	}
	/* The kernel lets root replace a file of another user even in a sticky folder. */
	int r = exists ? output_judge(w, &st, e) : 0;
	return r < 0 ? r : replace_file(w, data, len, mode);
}

/* Puts what was to be written, and where, in front of the reason. */
static int output_fail(
	const char *what, const char *path, int r, const struct err *why, struct err *e)
{
	if (why->code == 0)
		return err_set(e, r, "write %s '%s'", what, path);
	(void)err_say(e, r, "write %s '%s': %s", what, path, why->msg);
	err_hint(e, "%s", why->hint);
	return r;
}

int output_write(const char *what, const char *path, const void *data, size_t len, unsigned mode,
	struct err *e)
{
	struct output_walk w = {.dir = -1, .waits = true};
	struct err why = {0};

	int r = output_walk(&w, path, &why);
	if (r == 0)
		r = write_whole(&w, data, len, mode, &why);
	fd_close(&w.dir);
	return r < 0 ? output_fail(what, path, r, &why, e) : 0;
}

int output_open(const char *what, const char *path, unsigned mode, struct err *e)
{
	struct output_walk w = {.dir = -1};
	struct err why = {0};

	int r = output_walk(&w, path, &why);
	if (r == 0)
		r = open_in_place(&w, mode, &why);
	fd_close(&w.dir);
	return r < 0 ? output_fail(what, path, r, &why, e) : r;
}
