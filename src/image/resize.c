/* SPDX-License-Identifier: MIT */
#include "image/resize.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/disk_claim.h"
#include "engine/image_chain.h"
#include "engine/image_format.h"
#include "image/make.h"
#include "image/writable.h"
#include "program/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define IMAGE_NAME "/image" /* in qemu-img's root */
#define TABLES_ROOM MIB(256) /* by which tables may grow, besides the disk itself */

/* The image, open and claimed, so that nobody else has it until the end. */
struct work {
	const struct resize_request *q;
	const struct image_format *format;
	int fd;
	uint64_t old, new; /* [bytes] */
};

static int file_open(struct work *w, struct stat *st, struct err *e)
{
	const char *path = w->q->path;

	w->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (w->fd < 0 || fstat(w->fd, st) < 0) {
		const int r = err_set(e, -errno, "open '%s'", path);
		return r == -EPERM ? -EACCES : r; /* usher has refused nothing */
	}
	if (S_ISBLK(st->st_mode)) {
		(void)err_say(e, -EINVAL, "'%s' is a block device, not a file", path);
		err_hint(e, "its own tool changes its size, such as lvresize");
		return -EINVAL;
	}
	if (!S_ISREG(st->st_mode))
		return err_say(e, -EINVAL, "'%s' is not a regular file", path);
	return 0;
}

static int file_claim(struct work *w, const struct stat *st, struct err *e)
{
	int r = disk_claim_check(w->q->path, st, e);

	if (r < 0)
		return r == -EINVAL ? -EBUSY : r;
	if (disk_claim_lock(w->fd, w->q->path, false, e) == 0)
		return 0;
	err_hint(e, "stop that guest first; 'usher ps' lists those of usher");
	return -EBUSY;
}

/* What a backing file has behind the end of the image would come up in a larger one. */
static int chain_judge(const struct image_chain *c, struct err *e)
{
	const struct image_part *p = c->parts;

	if (p->encrypted)
		return err_say(e, -EINVAL, "'%s' is encrypted", p->path);
	if (p->corrupt) {
		(void)err_say(e, -EINVAL, "'%s' is marked as damaged", p->path);
		err_hint(e, "qemu-img check -r all '%s'", p->path);
		return -EINVAL;
	}
	if (p->backing[0] && c->count < 2)
		return c->stop.code;
	if (c->count > 1 && c->parts[1].size > p->size)
		return err_say(e, -EINVAL, "'%s' is smaller than its backing file '%s'", p->path,
			c->parts[1].path);
	return 0;
}

/* The chain is read by path, where another file may be by now; only the open one is claimed. */
static int part_check(const struct image_part *p, const struct stat *st, struct err *e)
{
	struct stat now;

	if (fstat(p->fd, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino)
		return 0;
	return err_say(e, -EBUSY, "'%s' was replaced by another file meanwhile", p->path);
}

static int size_read(struct work *w, const struct stat *st, struct err *e)
{
	const struct image_request q = {
		.path = w->q->path, .format = w->format->name, .run_dir = w->q->run_dir};
	struct image_chain c;

	w->old = (uint64_t)st->st_size;
	if (strcmp(w->format->name, "raw") == 0)
		return 0;
	int r = image_chain_read(&q, &c, e);
	if (r < 0)
		return r;
	if (c.stop.code && e)
		*e = c.stop;
	r = part_check(&c.parts[0], st, e);
	if (r == 0)
		r = chain_judge(&c, e);
	w->old = c.parts[0].size;
	image_chain_close(&c);
	return r;
}

static int size_compute(struct work *w, struct err *e)
{
	const struct resize_request *q = w->q;

	if (q->how == RESIZE_BY_LESS && q->bytes > w->old)
		return err_say(e, -EINVAL, "'%s' has only %" PRIu64 " bytes", q->path, w->old);
	w->new = q->how == RESIZE_TO   ? q->bytes
		 : q->how == RESIZE_BY ? w->old + q->bytes
				       : w->old - q->bytes;
	if (w->new < q->bytes && q->how == RESIZE_BY)
		w->new = UINT64_MAX;
	if (!w->new || w->new > MAKE_SIZE_MAX || w->new % SECTOR)
		return err_say(e, -EINVAL,
			"'%s': %" PRIu64 " bytes are no size of a disk, which is "
			"a multiple of %d",
			q->path, w->new, SECTOR);
	if (w->new >= w->old || q->shrink)
		return 0;
	(void)err_say(e, -EPERM,
		"'%s' would shrink from %" PRIu64 " to %" PRIu64
		" bytes, and lose what lies behind",
		q->path, w->old, w->new);
	err_hint(e, "shrink the file systems and partitions in it first, then --shrink");
	return -EPERM;
}

/*
 * qemu-img opens no backing file, and takes no lock: usher has it. The words between braces are
 * usher's alone.
 */
static int tool_resize(struct work *w, struct tool *t, struct tool_end *end, struct err *e)
{
	int r = tool_file(t, w->q->path, w->fd, IMAGE_NAME, true, e);

	if (r < 0)
		return r;
	t->confine.limits.file = w->new + TABLES_ROOM + (uint64_t)lseek(w->fd, 0, SEEK_END);
	program_word(&t->program, "resize");
	program_word(&t->program, "-q");
	if (w->new < w->old)
		program_word(&t->program, "--shrink");
	program_arg(&t->program,
		"json:{\"driver\":\"%s\",\"file\":{\"driver\":\"file\",\"filename\":\"" IMAGE_NAME
		"\",\"locking\":\"off\"}%s}",
		w->format->name, w->format->has_backing ? ",\"backing\":null" : "");
	program_arg(&t->program, "%" PRIu64, w->new);
	r = tool_run(t, end, e);
	if (r < 0 || end->status == 0)
		return r;
	if (!strstr(end->said, "does not support resize"))
		return err_say(
			e, -EINVAL, "%s", end->said[0] ? end->said : "qemu-img does not say why");
	(void)err_say(e, -EINVAL, "qemu-img resizes no %s image", w->format->name);
	err_hint(e, "qemu-img convert -O qcow2 makes one of it that can grow");
	return -EINVAL;
}

static int other_resize(struct work *w, struct err *e)
{
	struct tool_end end = {0};
	struct tool *t = NULL;

	int r = tool_new("qemu-img", TOOL_QEMU_IMG, w->q->run_dir, &t, e);
	if (r < 0)
		return r;
	r = tool_resize(w, t, &end, e);
	free(end.out);
	tool_free(t);
	return r < 0 ? err_in(e, r, "'%s' keeps its size", w->q->path) : 0;
}

static int file_resize(struct work *w, struct err *e)
{
	if (w->new == w->old)
		return 0;
	if (strcmp(w->format->name, "raw") != 0)
		return other_resize(w, e);
	return ftruncate(w->fd, (off_t)w->new) < 0
		       ? err_set(e, -errno, "resize '%s' to %" PRIu64 " bytes", w->q->path, w->new)
		       : 0;
}

/* Its format, its claim, its size: what has to be known before a change. */
static int work_prepare(struct work *w, struct err *e)
{
	struct stat st;

	int r = file_open(w, &st, e);
	if (r < 0)
		return r;
	r = writable_format(w->q->path, w->fd, w->q->format, &w->format, e);
	if (r < 0)
		return r;
	r = file_claim(w, &st, e);
	if (r < 0)
		return r;
	r = size_read(w, &st, e);
	return r < 0 ? r : size_compute(w, e);
}

static int work_run(struct work *w, struct err *e)
{
	int r = work_prepare(w, e);
	if (r < 0)
		return r;
	r = file_resize(w, e);
	if (r < 0)
		return r;
	return fsync(w->fd) < 0 ? err_set(e, -errno, "write '%s'", w->q->path) : 0;
}

int image_resize(const struct resize_request *q, struct resize_done *ret, struct err *e)
{
	struct work w = {.q = q, .fd = -1};

	int r = work_run(&w, e);
	fd_close(&w.fd);
	*ret = (struct resize_done){w.format ? w.format->name : NULL, w.old, w.new};
	return r;
}
