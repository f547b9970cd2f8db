/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A kernel target (nvmet, LIO, rnbd, a USB gadget, a cluster's heartbeat) serves a disk to others
 * and shows nowhere among its users: most of them open it without the exclusive claim, holders/
 * stays empty, and no process has a descriptor. Only the target's own settings in configfs or
 * sysfs name the disk, by whatever path the administrator wrote.
 *
 * Invariant: an export is known by a device number, or it is unknown and then counts against every
 * disk of the host. Names are never compared, since a path may be any node or link.
 *
 * The table `kinds` has one pattern for each target; `*` stands for one folder level. What a
 * pattern matches is handed to the kind's function, which reads whether it is switched on and what
 * it serves.
 */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define CONFIGFS "/sys/kernel/config"
#define LEVELS_MAX 3
#define NAME_MAX_EXPORT 224 /* an NQN: NVMe Base Specification, "NVMe Qualified Names" */

/* One match of a pattern: the folder, and the names that its stars stand for. */
struct match {
	struct hold_view *view;
	const struct export_kind *kind;
	size_t depth;
	char names[LEVELS_MAX][NAME_MAX_EXPORT];
};

struct export_kind {
	const char *pattern;
	int (*read)(const struct match *m, const char *folder);
};

/* Cut off where it is too long: an NQN alone may be. */
static void __attribute__((format(printf, 2, 3)))
export_describe(char text[HOLD_EXPORT_TEXT], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, HOLD_EXPORT_TEXT, fmt, ap);
	va_end(ap);
}

/* Adds one; @number is NULL when it could not be found out. */
static int export_add(
	struct hold_view *v, const struct host_number *number, const char *text, const char *path)
{
	struct hold_export *list =
		reallocarray(v->exports, v->export_count + 1, sizeof(*v->exports));

	if (!list)
		return -ENOMEM;
	v->exports = list;
	struct hold_export *x = &list[v->export_count++];
	*x = (struct hold_export){.is_known = number != NULL};
	if (number)
		x->number = *number;
	(void)snprintf(x->text, sizeof(x->text), "%s", text);
	(void)snprintf(x->path, sizeof(x->path), "%s", path);
	return 0;
}

static int export_add_path(struct hold_view *v, const char *path, const char *text)
{
	struct host_number number;
	int r = v->host->ops->number(v->host, path, &number);

	/* A file lies on a file system, whose mount holds the disk already. */
	if (r == 0 && number.kind == HOST_NUMBER_FILE)
		return 0;
	return export_add(v, r == 0 ? &number : NULL, text, path);
}

/* Where the kernel shows the disk's name, not a path. */
static int export_add_name(struct hold_view *v, const char *name, const char *text)
{
	const struct host_number number = {HOST_NUMBER_BLOCK, hold_block_number(v->host, name)};

	return export_add(v, number.dev ? &number : NULL, text, name);
}

/* Text attribute of a match's folder; "" when it cannot be read. */
static void attribute_read(
	const struct match *m, const char *folder, const char *name, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/%s", folder, name) < 0 ||
		host_read_text(m->view->host, path, buf, size) < 0)
		buf[0] = '\0';
}

static bool is_enabled(const struct match *m, const char *folder)
{
	char text[8];

	attribute_read(m, folder, "enable", text, sizeof(text));
	return strcmp(text, "1") == 0;
}

static int nvmet_namespace_read(const struct match *m, const char *folder)
{
	char path[FILE_PATH_MAX], text[HOLD_EXPORT_TEXT];

	attribute_read(m, folder, "device_path", path, sizeof(path));
	if (!is_enabled(m, folder) || !*path)
		return 0;
	export_describe(
		text, "exported by nvmet: subsystem %s, namespace %s", m->names[0], m->names[1]);
	return export_add_path(m->view, path, text);
}

/* The whole controller, by its character device. */
static int nvmet_passthru_read(const struct match *m, const char *folder)
{
	char path[FILE_PATH_MAX], text[HOLD_EXPORT_TEXT];

	attribute_read(m, folder, "device_path", path, sizeof(path));
	if (!is_enabled(m, folder) || !*path)
		return 0;
	export_describe(text, "exported by nvmet: subsystem %s, the whole controller", m->names[0]);
	return export_add_path(m->view, path, text);
}

/*
 * LIO: udev_path is what the administrator wrote, if anything; `info` shows what is open:
 * "Major: 8 Minor: 0" for a block device, "File: /dev/sdb  Size: …" for a file or a node.
 */
static int lio_read(const struct match *m, const char *folder)
{
	char info[2048], path[FILE_PATH_MAX], text[HOLD_EXPORT_TEXT];
	unsigned major, minor;

	if (!is_enabled(m, folder) || strncmp(m->names[0], "rd_", 3) == 0 ||
		strncmp(m->names[0], "user_", 5) == 0)
		return 0; /* in memory; served by a process, whose descriptors hold_fd() finds */
	export_describe(text, "exported by LIO: backstore %s/%s", m->names[0], m->names[1]);
	attribute_read(m, folder, "info", info, sizeof(info));
	const char *at = strstr(info, "Major: ");
	if (at && sscanf(at, "Major: %u Minor: %u", &major, &minor) == 2) {
		const struct host_number number = {HOST_NUMBER_BLOCK, makedev(major, minor)};
		return export_add(m->view, &number, text, "");
	}
	attribute_read(m, folder, "udev_path", path, sizeof(path));
	at = strstr(info, "File: ");
	const char *end = at ? strstr(at, "  Size: ") : NULL;
	if (end)
		(void)snprintf(path, sizeof(path), "%.*s", (int)(end - at - 6), at + 6);
	return export_add_path(m->view, path, text);
}

static int gadget_read(const struct match *m, const char *folder)
{
	char path[FILE_PATH_MAX], text[HOLD_EXPORT_TEXT];

	if (strncmp(m->names[1], "mass_storage.", 13) != 0)
		return 0;
	attribute_read(m, folder, "file", path, sizeof(path));
	if (!*path)
		return 0;
	export_describe(
		text, "exported by USB gadget %s: %s, %s", m->names[0], m->names[1], m->names[2]);
	return export_add_path(m->view, path, text);
}

static int heartbeat_read(const struct match *m, const char *folder)
{
	char name[64], text[HOLD_EXPORT_TEXT];

	attribute_read(m, folder, "dev", name, sizeof(name));
	if (!*name)
		return 0;
	export_describe(text, "heartbeat of cluster %s: region %s", m->names[0], m->names[1]);
	return export_add_name(m->view, name, text);
}

static int rnbd_read(const struct match *m, const char *folder)
{
	char link[FILE_PATH_MAX], name[64], text[HOLD_EXPORT_TEXT];

	if (file_path(link, sizeof(link), "%s/block_dev", folder) < 0 ||
		host_link_name(m->view->host, link, name, sizeof(name)) < 0)
		return 0;
	export_describe(text, "exported by rnbd: device %s", m->names[0]);
	return export_add_name(m->view, name, text);
}

static const struct export_kind kinds[] = {
	{CONFIGFS "/nvmet/subsystems/*/namespaces/*", nvmet_namespace_read},
	{CONFIGFS "/nvmet/subsystems/*/passthru", nvmet_passthru_read},
	{CONFIGFS "/target/core/*/*", lio_read},
	{CONFIGFS "/usb_gadget/*/functions/*/*", gadget_read},
	{CONFIGFS "/cluster/*/heartbeat/*", heartbeat_read},
	{"/sys/class/rnbd-server/ctl/devices/*", rnbd_read},
};

/* A pattern in the middle of its expansion: @folder is real, @rest is still to be matched. */
struct expansion {
	struct match *match;
	const char *folder;
	const char *rest;
};

static int match_expand(struct match *m, const char *folder, const char *rest);

static int match_expand_name(void *arg, const char *name)
{
	const struct expansion *x = arg;
	struct match *m = x->match;
	char folder[FILE_PATH_MAX];

	if (m->depth == LEVELS_MAX || strlen(name) >= sizeof(m->names[0]) ||
		file_path(folder, sizeof(folder), "%s/%s", x->folder, name) < 0)
		return 0;
	memcpy(m->names[m->depth++], name, strlen(name) + 1);
	int r = match_expand(m, folder, x->rest);
	m->depth--;
	return r;
}

static int match_expand(struct match *m, const char *folder, const char *rest)
{
	const char *star = strchr(rest, '*');
	int length = star ? (int)(star - rest) - 1 : (int)strlen(rest);
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s%.*s", folder, length, rest) < 0)
		return 0;
	if (!star)
		return m->kind->read(m, path);
	struct expansion x = {m, path, star + 1};
	int r = m->view->host->ops->list(m->view->host, path, match_expand_name, &x);
	/* An attribute among the folders of a level, or a target that is not loaded. */
	return r == -ENOMEM ? r : 0;
}

static bool path_exists(struct host *h, const char *path)
{
	char target[2];
	ssize_t n = h->ops->link(h, path, target, sizeof(target));

	return n >= 0 || n == -EINVAL || n == -ENAMETOOLONG;
}

/* A target that is loaded makes its folder as soon as configfs is mounted. */
static int add_hidden_targets(struct hold_view *v)
{
	static const struct {
		const char *module, *folder, *text;
	} targets[] = {
		{"/sys/module/nvmet", CONFIGFS "/nvmet", "nvmet"},
		{"/sys/module/target_core_mod", CONFIGFS "/target", "LIO"},
	};
	char text[HOLD_EXPORT_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(targets); i++) {
		if (!path_exists(v->host, targets[i].module) ||
			path_exists(v->host, targets[i].folder))
			continue;
		export_describe(text, "exported by %s", targets[i].text);
		r = export_add(v, NULL, text, CONFIGFS);
	}
	return r;
}

int hold_exports_read(struct hold_view *v)
{
	int r = 0;

	if (v->has_exports)
		return 0;
	v->has_exports = true;
	for (size_t i = 0; r == 0 && i < COUNT(kinds); i++) {
		struct match m = {.view = v, .kind = &kinds[i]};
		r = match_expand(&m, "", kinds[i].pattern);
	}
	return r < 0 ? r : add_hidden_targets(v);
}

/* Nodes that are no disk: an NVMe controller, a SCSI generic device. */
int hold_block_characters(struct hold_case *c)
{
	const struct hold_view *v = c->view;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->export_count; i++) {
		const struct hold_export *x = &v->exports[i];

		if (!x->is_known || x->number.kind != HOST_NUMBER_CHAR ||
			file_path(path, sizeof(path), "/sys/dev/char/%u:%u", major(x->number.dev),
				minor(x->number.dev)) < 0 ||
			v->host->ops->link(v->host, path, target, sizeof(target)) < 0 ||
			!hold_below(c, target))
			continue;
		r = hold_add(c, "block", HOLD_PLAIN, file_base(target), "%s", x->text);
	}
	return r;
}

int hold_block_unknown(struct hold_case *c, const char *disk)
{
	const struct hold_view *v = c->view;

	for (size_t i = 0; i < v->export_count; i++)
		if (!v->exports[i].is_known)
			return hold_add(c, "block", HOLD_UNSURE, disk,
				"whether it is %s cannot be told: '%s' is out of sight",
				v->exports[i].text, v->exports[i].path);
	return 0;
}
