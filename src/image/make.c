/* SPDX-License-Identifier: MIT */
#include "image/make.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/disk_claim.h"
#include "engine/image_chain.h"
#include "engine/image_format.h"
#include "image/newfile.h"
#include "image/writable.h"
#include "program/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works
 *
 * qemu-img fills an empty file in memory, which no path of the host leads to. usher copies it to a
 * nameless file of the target's file system, without its holes, and gives that one its name: a full
 * disk or a kill leaves nothing.
 */
#define MADE_NAME "/new" /* in qemu-img's root */
#define MADE_ROOM MIB(256) /* an image without data: only tables */

/* What qemu-img is to make. */
struct plan {
	const char *format;
	uint64_t size;
	const char *backing, *backing_format; /* as the header gets them; NULL: none */
};

static void words_add(struct program *p, const struct plan *plan)
{
	program_word(p, "create");
	program_word(p, "-q");
	program_word(p, "-f");
	program_word(p, plan->format);
	if (plan->backing) {
		/* It does not open the backing file, which it does not have. */
		program_word(p, "-u");
		program_word(p, "-F");
		program_word(p, plan->backing_format);
		program_word(p, "-b");
		program_arg(p, "%s", plan->backing);
	}
	program_word(p, MADE_NAME);
	program_arg(p, "%" PRIu64, plan->size);
}

static int made_copy(const struct tool *t, struct newfile *f, struct err *e)
{
	struct stat st;

	if (t->made < 0 || fstat(t->made, &st) < 0 || !st.st_size)
		return err_say(e, -EIO, "make '%s': qemu-img has written nothing", f->path);
	int r = newfile_copy(f, t->made, (uint64_t)st.st_size, e);
	return r < 0 ? r : newfile_finish(f, e);
}

static int failure_say(const struct plan *plan, const struct tool_end *end, struct err *e)
{
	const char *reason = end->said;
	const char *mine = strstr(reason, MADE_NAME ": ");

	if (mine)
		reason = mine + strlen(MADE_NAME ": ");
	return err_say(e, -EINVAL, "qemu-img makes no %s image of %" PRIu64 " bytes: %s",
		plan->format, plan->size, reason[0] ? reason : "it does not say why");
}

static int plan_run(const struct plan *plan, struct tool *t, struct newfile *f, struct err *e)
{
	struct tool_end end = {0};

	int r = tool_make(t, MADE_NAME, MADE_ROOM, e);
	if (r < 0)
		return r;
	words_add(&t->program, plan);
	r = tool_run(t, &end, e);
	if (r == 0 && end.status)
		r = failure_say(plan, &end, e);
	free(end.out);
	return r < 0 ? r : made_copy(t, f, e);
}

static int plan_make(const struct plan *plan, struct newfile *f, const char *run_dir, struct err *e)
{
	struct tool *t = NULL;

	int r = tool_new("qemu-img", TOOL_QEMU_IMG, run_dir, &t, e);
	if (r < 0)
		return r;
	r = plan_run(plan, t, f, e);
	tool_free(t);
	return r;
}

static int raw_make(struct newfile *f, uint64_t size, struct err *e)
{
	if (ftruncate(f->fd, (off_t)size) < 0)
		return err_set(e, -errno, "make '%s' of %" PRIu64 " bytes", f->path, size);
	return newfile_finish(f, e);
}

int image_make(
	const char *path, const char *format, uint64_t size, const char *run_dir, struct err *e)
{
	const struct plan plan = {.format = format, .size = size};
	struct newfile f;

	int r = newfile_open(path, &f, e);
	if (r < 0)
		return r;
	r = strcmp(format, "raw") == 0 ? raw_make(&f, size, e) : plan_make(&plan, &f, run_dir, e);
	newfile_close(&f);
	return r;
}

/* Its folder's path without links, and its own name. */
static int path_resolve(const char *path, char *buf, size_t size)
{
	char folder[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(path, '/');

	(void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
		slash ? path : ".");
	if (!realpath(folder, real))
		return -errno;
	return file_path(buf, size, "%s/%s", strcmp(real, "/") == 0 ? "" : real, file_base(path));
}

/*
 * A backing file beside the new one is named without its folder: both may be moved together, and
 * usher follows such a name. QEMU takes "a:b" for a protocol, but not "./a:b".
 */
static int backing_name(const char *path, const char *backing, char *buf, size_t size)
{
	char own[IMAGE_PATH_MAX], folder[IMAGE_PATH_MAX], other[IMAGE_PATH_MAX];

	int r = path_resolve(path, own, sizeof(own));
	if (r < 0)
		return r;
	(void)snprintf(folder, sizeof(folder), "%s", own);
	(void)snprintf(other, sizeof(other), "%s", backing);
	file_step_up(folder);
	file_step_up(other);
	if (strcmp(folder, other) != 0)
		return file_path(buf, size, "%s", backing);
	const char *name = file_base(backing);
	return file_path(buf, size, "%s%s", strchr(name, ':') ? "./" : "", name);
}

/* Whoever writes to it now would damage what is made. */
static int backing_claim(const struct image_part *p, struct err *e)
{
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "open '%s'", p->path);
	int r = disk_claim_check(p->path, &st, e);
	if (r < 0)
		return r == -EINVAL ? -EBUSY : r;
	if (!S_ISREG(st.st_mode) || disk_claim_lock(fd, p->path, true, e) == 0)
		return 0;
	err_hint(e, "stop that guest first; 'usher ps' lists those of usher");
	return -EBUSY;
}

/* -EPERM is for what usher refuses, and this is the kernel. */
static int file_refuse(const char *path, int number, struct err *e)
{
	const int r = err_set(e, -number, "open '%s'", path);

	return r == -EPERM ? -EACCES : r;
}

static int backing_open(
	const char *backing, const char *named, const struct image_format **ret, struct err *e)
{
	cleanup_fd int fd = open(backing, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return file_refuse(backing, errno, e);
	return writable_format(backing, fd, named, ret, e);
}

static int overlay_make(
	const char *path, const struct image_chain *c, const char *run_dir, struct err *e)
{
	const struct image_part *below = &c->parts[0];
	struct plan plan = {
		.format = "qcow2", .size = below->size, .backing_format = below->format};
	char name[IMAGE_PATH_MAX];
	struct newfile f;

	int r = backing_name(path, below->path, name, sizeof(name));
	if (r < 0)
		return err_set(e, r, "make '%s'", path);
	plan.backing = name;
	r = newfile_open(path, &f, e);
	if (r < 0)
		return r;
	r = plan_make(&plan, &f, run_dir, e);
	newfile_close(&f);
	return r;
}

int image_overlay(const struct overlay_request *q, uint64_t *ret_size, struct err *e)
{
	const struct image_format *format = NULL;
	struct image_chain chain;

	int r = backing_open(q->backing, q->format, &format, e);
	if (r < 0)
		return r;
	const struct image_request look = {.path = q->backing,
		.format = format->name,
		.backing = q->named,
		.backing_count = q->named_count,
		.option = "--backing ",
		.run_dir = q->run_dir};
	r = image_chain_read(&look, &chain, e);
	if (r < 0)
		return r;
	if (chain.stop.code && e)
		*e = chain.stop;
	r = chain.stop.code ? -EPERM : backing_claim(&chain.parts[0], e);
	if (r == 0)
		r = overlay_make(q->path, &chain, q->run_dir, e);
	*ret_size = chain.parts[0].size;
	image_chain_close(&chain);
	return r;
}
