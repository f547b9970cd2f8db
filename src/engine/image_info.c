/* SPDX-License-Identifier: MIT */
#include "engine/image_info.h"

#include "base/err.h"
#include "base/num.h"
#include "control/value.h"
#include "engine/image_chain.h"
#include "program/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * Invariant: qemu-img has no other file, and what it says is checked, because the image may have
 * taken it over. It opens no backing file for `info`, and guesses no format: usher names it.
 */
#define IMAGE_NAME "/image" /* in its root */
#define SIZE_MAX_BYTES INT64_MAX

/* A text that does not fit is no name of a file here. Return: 0, -EBADMSG. */
static int text_take(const struct control_value *v, const char *key, char *buf, size_t size)
{
	const char *text = control_value_text(v, key);

	buf[0] = '\0';
	if (!text)
		return 0;
	return (size_t)snprintf(buf, size, "%s", text) < size ? 0 : -EBADMSG;
}

static uint64_t number_take(const struct control_value *v, const char *key)
{
	int64_t n = 0;

	return control_value_number(v, key, &n) && n > 0 ? (uint64_t)n : 0;
}

static int snapshot_count(void *arg, const char *key, const struct control_value *one)
{
	struct image_part *p = arg;

	(void)key;
	(void)one;
	p->snapshot_count++;
	return 0;
}

/* What only one format has. */
static int specific_take(const struct control_value *v, struct image_part *p)
{
	const struct control_value *data =
		control_value_member(control_value_member(v, "format-specific"), "data");

	p->corrupt = control_value_flag(data, "corrupt");
	int r = text_take(data, "create-type", p->variant, sizeof(p->variant));
	return r < 0 ? r : text_take(data, "data-file", p->data_file, sizeof(p->data_file));
}

static int info_take(const struct control_value *v, struct image_part *p)
{
	char format[IMAGE_FORMAT_MAX];
	int64_t size = 0;

	int r = text_take(v, "format", format, sizeof(format));
	if (r < 0 || strcmp(format, p->format) != 0 ||
		!control_value_number(v, "virtual-size", &size) || size < 0)
		return -EBADMSG;
	p->size = (uint64_t)size;
	p->cluster = number_take(v, "cluster-size");
	p->encrypted = control_value_flag(v, "encrypted");
	(void)control_value_each(control_value_member(v, "snapshots"), snapshot_count, p);
	r = text_take(v, "backing-filename", p->backing, sizeof(p->backing));
	if (r == 0)
		r = text_take(
			v, "backing-filename-format", p->backing_format, sizeof(p->backing_format));
	return r < 0 ? r : specific_take(v, p);
}

int image_info_parse(struct image_part *p, const char *text, size_t len, struct err *e)
{
	struct control_value *v = NULL;

	int r = control_value_parse(text, len, &v, e);
	if (r < 0 && r != -EINVAL)
		return r;
	if (r == 0)
		r = info_take(v, p);
	control_value_free(v);
	return r < 0 ? err_say(e, -EINVAL, "qemu-img gave no usable answer") : 0;
}

/* qemu-img does not find what lies in another file: that is not in its root. */
static int failure_say(const struct image_part *p, const struct tool_end *end, struct err *e)
{
	const char *reason = end->said;
	const char *mine = strstr(reason, "'" IMAGE_NAME "': ");

	if (strstr(reason, "Could not open") && strstr(reason, "No such file") &&
		strcmp(p->format, "vmdk") == 0)
		return err_say(
			e, -EINVAL, "its header names other files, which usher does not open");
	if (mine)
		reason = mine + strlen("'" IMAGE_NAME "': ");
	return err_say(e, -EINVAL, "damaged, or not of the format %s: %s", p->format,
		reason[0] ? reason : "qemu-img does not say why");
}

static int info_ask(struct tool *t, struct image_part *p, struct tool_end *end, struct err *e)
{
	int r = tool_file(t, p->path, p->fd, IMAGE_NAME, false, e);
	if (r < 0)
		return r;
	program_word(&t->program, "info");
	program_word(&t->program, "--output=json");
	/* A running guest has it locked: what is read may be old, and harms nobody. */
	program_word(&t->program, "--force-share");
	program_word(&t->program, "-f");
	program_word(&t->program, p->format);
	program_word(&t->program, IMAGE_NAME);
	r = tool_run(t, end, e);
	if (r < 0)
		return r;
	return end->status ? failure_say(p, end, e) : image_info_parse(p, end->out, end->len, e);
}

int image_info_read(struct image_part *p, const char *run_dir, struct err *e)
{
	struct tool_end end = {0};
	struct tool *t = NULL;

	int r = tool_new("qemu-img", TOOL_QEMU_IMG, run_dir, &t, e);
	if (r < 0)
		return r;
	r = info_ask(t, p, &end, e);
	free(end.out);
	tool_free(t);
	return r < 0 ? err_in(e, r, "'%s'", p->path) : 0;
}
