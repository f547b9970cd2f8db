/* SPDX-License-Identifier: MIT */
#include "engine/image_chain.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/image_info.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int part_reopen(const struct image_part *p, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* A raw image has no header: its file is the disk. */
static int raw_measure(struct image_part *p, int fd, const struct stat *st)
{
	p->size = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, &p->size) < 0)
		return -errno;
	return 0;
}

static int format_choose(struct image_part *p, int fd, const char *named, struct err *e)
{
	const struct image_format *f = NULL;

	if (named) {
		f = image_format_find(named);
	} else {
		int r = image_format_read(fd, &f);
		if (r < 0)
			return err_set(e, r, "read '%s'", p->path);
	}
	if (!f || !f->is_known) {
		err_say(e, -EINVAL, "'%s': usher does not read the format %s", p->path,
			f ? f->name : named);
		err_hint(e, "qemu-img convert -O raw makes a raw image of it");
		return -EINVAL;
	}
	(void)snprintf(p->format, sizeof(p->format), "%s", f->name);
	return 0;
}

/* @p->path and @p->fd are there. */
static int part_look(struct image_part *p, const char *format, const char *run_dir, struct err *e)
{
	struct stat st;
	cleanup_fd int fd = part_reopen(p, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, fd < 0 ? fd : -errno, "open '%s'", p->path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(
			e, -EINVAL, "'%s' is neither a regular file nor a block device", p->path);
	int r = format_choose(p, fd, format, e);
	if (r < 0)
		return r;
	p->allocated = (uint64_t)st.st_blocks * 512;
	if (strcmp(p->format, "raw") != 0)
		return image_info_read(p, run_dir, e);
	r = raw_measure(p, fd, &st);
	return r < 0 ? err_set(e, r, "measure '%s'", p->path) : 0;
}

/* "json:", "nbd://": QEMU would not open a file. */
static bool is_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

/* Relative names begin at the folder of the file that has them. */
static int backing_path(const struct image_part *p, char *buf, size_t size)
{
	char folder[IMAGE_PATH_MAX];

	if (p->backing[0] == '/')
		return file_path(buf, size, "%s", p->backing);
	(void)snprintf(folder, sizeof(folder), "%s", p->path);
	file_step_up(folder);
	return file_path(buf, size, "%s/%s", folder, p->backing);
}

static bool is_one_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Opened first, for @path may lead elsewhere a moment later. Return: a descriptor, -EPERM. */
static int open_named(const struct image_request *q, const char *path)
{
	struct stat named, st;
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -EPERM;
	for (size_t i = 0; i < q->backing_count; i++)
		if (stat(q->backing[i], &named) == 0 && is_one_file(&named, &st))
			return TAKE_FD(fd);
	return -EPERM;
}

/* The folder of @path. Return: a descriptor, -errno. */
static int folder_open(const char *path)
{
	char folder[IMAGE_PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%s", path);
	file_step_up(folder);
	int fd = open(folder[0] ? folder : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_same_file(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && is_one_file(&a, &b);
}

/* The folder may have become a link to another one since the image was opened. */
static bool is_folder_of(int folder, const struct image_part *p)
{
	struct stat a, b;

	return fstatat(folder, file_base(p->path), &a, 0) == 0 && fstat(p->fd, &b) == 0 &&
	       is_one_file(&a, &b);
}

/* Opened in the folder of @p, if @path names a file of that one. Return: a descriptor, -EPERM. */
static int open_beside(const struct image_part *p, const char *path)
{
	const char *name = file_base(path);
	cleanup_fd int own = folder_open(p->path);
	cleanup_fd int other = folder_open(path);

	if (own < 0 || other < 0 || !is_folder_of(own, p) || !is_same_file(own, other) ||
		strcmp(name, "..") == 0)
		return -EPERM;
	int fd = openat(own, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static const char *option_name(const struct image_request *q)
{
	return q->option ? q->option : "backing=";
}

/* A link may lead away from the folder. Return: 0, -EPERM. */
static int link_check(const struct image_request *q, const struct image_part *p, int fd,
	const char *shown, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISLNK(st.st_mode))
		return 0;
	(void)err_say(e, -EPERM, "'%s': its backing file '%s' is a symbolic link", p->path, shown);
	err_hint(e, "if that is right, name the file: %sPATH", option_name(q));
	return -EPERM;
}

static int away_refuse(
	const struct image_request *q, const struct image_part *p, const char *shown, struct err *e)
{
	(void)err_say(e, -EPERM, "'%s' names '%s' as its backing file, which is not beside it",
		p->path, shown);
	err_hint(e, "if that is right, name it: %s%s", option_name(q), shown);
	return -EPERM;
}

int image_backing_open(const struct image_request *q, const struct image_part *p, char *path,
	int *ret, struct err *e)
{
	char shown[160];

	file_escape(shown, sizeof(shown), p->backing);
	if (is_protocol(p->backing))
		return err_say(e, -EINVAL,
			"'%s' names '%s' as its backing file, which is not a path", p->path, shown);
	if (backing_path(p, path, IMAGE_PATH_MAX) < 0)
		return err_say(e, -ENAMETOOLONG, "'%s': the path of its backing file is too long",
			p->path);
	int fd = open_named(q, path);
	if (fd == -EPERM)
		fd = open_beside(p, path);
	if (fd == -EPERM)
		return away_refuse(q, p, shown, e);
	if (fd < 0)
		return err_set(e, fd, "'%s': open its backing file '%s'", p->path, shown);
	*ret = fd;
	return link_check(q, p, fd, shown, e);
}

static const char *backing_format(const struct image_part *p)
{
	const struct image_format *f = image_format_find(p->format);

	if (p->backing_format[0])
		return p->backing_format;
	return f && f->backs_itself ? f->name : NULL;
}

/* Why the file after @p is not followed, apart from where it lies. Return: 0, -EINVAL. */
static int part_judge(const struct image_chain *c, const struct image_part *p, struct err *e)
{
	char shown[160];

	file_escape(shown, sizeof(shown), p->data_file);
	if (p->encrypted)
		return err_say(e, -EINVAL, "'%s' is encrypted", p->path);
	if (p->data_file[0])
		return err_say(
			e, -EINVAL, "'%s' has its data in another file, '%s'", p->path, shown);
	if (!p->backing[0])
		return 0;
	if (c->count == IMAGE_CHAIN_MAX)
		return err_say(e, -EINVAL, "'%s': more than %d files back each other",
			c->parts[0].path, IMAGE_CHAIN_MAX);
	if (backing_format(p))
		return 0;
	file_escape(shown, sizeof(shown), p->backing);
	(void)err_say(e, -EINVAL, "'%s' does not record the format of its backing file '%s'",
		p->path, shown);
	err_hint(e, "if it is raw: qemu-img rebase -u -F raw -b '%s' '%s'", shown, p->path);
	return -EINVAL;
}

static bool is_in_chain(const struct image_chain *c, int fd)
{
	for (size_t i = 0; i < c->count; i++)
		if (is_same_file(c->parts[i].fd, fd))
			return true;
	return false;
}

/* Return: 1 there is a next part; 0 the chain is whole; -errno with a sentence in @c->stop. */
static int chain_step(const struct image_request *q, struct image_chain *c)
{
	const struct image_part *p = &c->parts[c->count - 1];
	struct image_part next = {.fd = -1};

	int r = part_judge(c, p, &c->stop);
	if (r < 0 || !p->backing[0])
		return r;
	r = image_backing_open(q, p, next.path, &next.fd, &c->stop);
	if (r == 0)
		r = is_in_chain(c, next.fd)
			    ? err_say(&c->stop, -ELOOP, "'%s' is its own backing file, by '%s'",
				      next.path, p->path)
			    : part_look(&next, backing_format(p), q->run_dir, &c->stop);
	if (r < 0) {
		fd_close(&next.fd);
		return r;
	}
	c->parts[c->count++] = next;
	return 1;
}

/* The path without links: a header's relative names begin there. */
static int image_find(const char *path, struct image_part *p, struct err *e)
{
	char real[PATH_MAX];

	if (!realpath(path, real))
		return err_set(e, -errno, "open '%s'", path);
	if (file_path(p->path, sizeof(p->path), "%s", real) < 0)
		return err_say(e, -ENAMETOOLONG, "'%.60s…': its path is too long", real);
	p->fd = open(p->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	return p->fd < 0 ? err_set(e, -errno, "open '%s'", path) : 0;
}

int image_chain_read(const struct image_request *q, struct image_chain *ret, struct err *e)
{
	struct image_chain *c = ret;

	*c = IMAGE_CHAIN_NONE;
	c->parts[0].fd = -1;
	c->count = 1;
	int r = image_find(q->path, &c->parts[0], e);
	if (r == 0)
		r = part_look(&c->parts[0], q->format, q->run_dir, e);
	if (r < 0) {
		image_chain_close(c);
		return r;
	}
	while (chain_step(q, c) > 0)
		;
	return 0;
}

void image_chain_close(struct image_chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		fd_close(&c->parts[i].fd);
	c->count = 0;
}
