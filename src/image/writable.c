/* SPDX-License-Identifier: MIT */
#include "image/writable.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/image_format.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Names of files that tell a format. */
static const struct {
	const char *ending, *format;
} endings[] = {
	{"qcow2", "qcow2"},
	{"vmdk", "vmdk"},
	{"vhdx", "vhdx"},
	{"vdi", "vdi"},
	{"vhd", "vpc"},
	{"vpc", "vpc"},
	{"qed", "qed"},
};

const char *writable_name_format(const char *path)
{
	const char *dot = strrchr(file_base(path), '.');

	for (size_t i = 0; dot && i < COUNT(endings); i++)
		if (strcasecmp(dot + 1, endings[i].ending) == 0)
			return endings[i].format;
	return "raw";
}

static int named_find(
	const char *path, const char *named, const struct image_format **ret, struct err *e)
{
	*ret = image_format_find(named);
	if (*ret && (*ret)->is_known)
		return 0;
	return err_say(e, -EINVAL, "'%s': usher does not know the format '%s'", path, named);
}

int writable_format(
	const char *path, int fd, const char *named, const struct image_format **ret, struct err *e)
{
	const struct image_format *f;

	if (named)
		return named_find(path, named, ret, e);
	int r = image_format_read(fd, &f);
	if (r < 0)
		return err_set(e, r, "read '%s'", path);
	if (strcmp(f->name, writable_name_format(path)) != 0) {
		(void)err_say(e, -EINVAL,
			"'%s' has %s of %s, and its name tells %s: a guest may have written it",
			path, strcmp(f->name, "raw") == 0 ? "no signature" : "the signature",
			strcmp(f->name, "raw") == 0 ? "any format" : f->name,
			writable_name_format(path));
		err_hint(e,
			"if you know that it is %s: --format %s; what a guest has had as a raw "
			"disk: --format raw",
			f->name, f->name);
		return -EINVAL;
	}
	*ret = f;
	return 0;
}
