/* SPDX-License-Identifier: MIT */
#include "engine/storage.h"

#include "base/err.h"
#include "engine/disk/image.h"
#include "engine/spec.h"
#include "program/command.h"
#include "program/tool.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKAGE "qemu-system-common"
#define NAME "/image/%zu" /* of the image's file of that number, in the daemon's root */

static const char *flag_text(bool flag)
{
	return flag ? "true" : "false";
}

/* The claim stays open in the daemon, whose own locks would be in the way of it. */
static void file_describe(struct tool *t, const struct disk_image *i, size_t n, bool readonly)
{
	struct stat st;
	const bool is_block = fstat(i->claims[n], &st) == 0 && S_ISBLK(st.st_mode);

	program_word(&t->program, "--blockdev");
	program_arg(&t->program,
		"{\"driver\":\"%s\",\"node-name\":\"file%zu\",\"filename\":\"" NAME
		"\",\"locking\":\"off\",\"read-only\":%s,\"cache\":{\"direct\":%s},"
		"\"aio\":\"%s\",\"discard\":\"unmap\"}",
		is_block ? "host_device" : "file", n, n, flag_text(readonly),
		flag_text(i->direct[n]), i->direct[n] ? "native" : "threads");
	program_fd(&t->program, i->claims[n]);
}

/* usher says which backing file it has, or that it has none, whatever the header says. */
static void format_describe(struct tool *t, const struct disk_image *i, size_t n, bool readonly)
{
	const struct image_part *p = &i->chain.parts[n];
	const struct image_format *f = image_format_find(p->format);
	char backing[32] = "";

	if (f && f->has_backing)
		(void)snprintf(backing, sizeof(backing),
			n + 1 < i->chain.count ? ",\"backing\":\"disk%zu\"" : ",\"backing\":null",
			n + 1);
	program_word(&t->program, "--blockdev");
	program_arg(&t->program,
		"{\"driver\":\"%s\",\"node-name\":\"disk%zu\",\"file\":\"file%zu\","
		"\"read-only\":%s,\"discard\":\"unmap\"%s}",
		p->format, n, n, flag_text(readonly), backing);
}

/* Only the first file is ever written. */
static int files_describe(struct tool *t, const struct disk_image *i, bool writable, struct err *e)
{
	char name[32];

	for (size_t n = i->chain.count; n--;) {
		const struct image_part *p = &i->chain.parts[n];
		const bool readonly = n || !writable;
		(void)snprintf(name, sizeof(name), NAME, n);
		int r = tool_file(t, p->path, p->fd, name, !readonly, e);
		if (r < 0)
			return r;
		file_describe(t, i, n, readonly);
		format_describe(t, i, n, readonly);
	}
	return 0;
}

static void export_describe(struct tool *t, const struct guest_disk *d, int listener)
{
	program_word(&t->program, "--export");
	program_arg(&t->program,
		"type=vhost-user-blk,id=disk,node-name=disk0,addr.type=fd,addr.str=%d,"
		"writable=%s,num-queues=%u",
		listener, d->readonly ? "off" : "on", d->queues);
}

static void content_describe(struct tool *t, int listener)
{
	program_word(&t->program, "--nbd-server");
	program_arg(&t->program, "addr.type=fd,addr.str=%d", listener);
	program_word(&t->program, "--export");
	program_word(&t->program, "type=nbd,id=disk,node-name=disk0,name=disk,writable=off");
}

int storage_check(const struct guest_spec *s, struct err *e)
{
	const struct command c = command_seek(STORAGE_PROGRAM, NULL);

	for (size_t i = 0; c.code < 0 && i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		if (v->type != GUEST_VIRTIO_BLK || !disk_has_format(&v->disk))
			continue;
		(void)command_report(&c, STORAGE_PROGRAM, geteuid(), e);
		err_hint(e, "it serves disks with format=%s: install the package %s",
			v->disk.format, PACKAGE);
		return -ENOENT;
	}
	return 0;
}

static int daemon_prepare(struct backend *b, const struct disk_image *i, bool writable,
	const char *run_dir, struct err *e)
{
	int r = backend_open(b, STORAGE_PROGRAM, run_dir, e);
	if (r < 0)
		return r;
	r = tool_new(STORAGE_PROGRAM, PACKAGE, run_dir, &b->tool, e);
	return r < 0 ? r : files_describe(b->tool, i, writable, e);
}

int storage_start(struct backend *b, const struct guest_disk *d, const struct disk_image *i,
	const char *run_dir, const struct cgroup *cgroup, struct err *e)
{
	int r = daemon_prepare(b, i, !d->readonly, run_dir, e);
	if (r < 0)
		return r;
	/* It runs as long as the guest does, and maps the guest's memory. */
	b->tool->confine.limits = (struct confine_limits){0};
	b->tool->program.cgroup = cgroup;
	export_describe(b->tool, d, b->listener);
	return backend_start(b, &b->tool->program, e);
}

int storage_show(struct backend *b, const struct disk_image *i, const char *run_dir, struct err *e)
{
	int r = daemon_prepare(b, i, false, run_dir, e);
	if (r < 0)
		return r;
	content_describe(b->tool, b->listener);
	return backend_start(b, &b->tool->program, e);
}
