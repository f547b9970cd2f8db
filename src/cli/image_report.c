/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "cli/image.h"
#include "engine/image_chain.h"
#include "view/json.h"
#include "view/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 2100 /* a path, each byte of which is escaped */

static void put_text_or_null(struct json *map, const char *key, const char *text)
{
	json_put_text(map, key, text[0] ? text : NULL);
}

static void part_json(struct json *list, const struct image_part *p)
{
	struct json *one = json_push_map(list);

	json_put_text(one, "path", p->path);
	json_put_text(one, "format", p->format);
	json_put_number(one, "size", p->size);
	json_put_number(one, "allocated", p->allocated);
	if (p->cluster)
		json_put_number(one, "cluster", p->cluster);
	else
		json_put_null(one, "cluster");
	put_text_or_null(one, "variant", p->variant);
	json_put_number(one, "snapshots", p->snapshot_count);
	json_put_flag(one, "encrypted", p->encrypted);
	json_put_flag(one, "corrupt", p->corrupt);
	put_text_or_null(one, "backing", p->backing);
	put_text_or_null(one, "backing_format", p->backing_format);
}

static void size_json(struct json *doc, const char *key, bool has, uint64_t size)
{
	if (has)
		json_put_number(doc, key, size);
	else
		json_put_null(doc, key);
}

int image_report_json(const struct image_report *r, struct err *e)
{
	const struct image_chain *c = r->chain;
	struct json *doc;

	int n = json_new("image", &doc, e);
	if (n < 0)
		return n;
	json_put_text(doc, "action", r->action);
	json_put_text(doc, "path", r->path);
	json_put_text(doc, "format", r->format);
	size_json(doc, "size", r->has_size, r->size);
	size_json(doc, "old_size", r->has_old_size, r->old_size);
	struct json *files = json_put_list(doc, "files");
	for (size_t i = 0; c && i < c->count; i++)
		part_json(files, &c->parts[i]);
	json_put_text(doc, "problem", r->problem ? r->problem->msg : NULL);
	json_put_text(doc, "hint", r->problem && r->problem->hint[0] ? r->problem->hint : NULL);
	n = json_print(doc, e);
	json_free(doc);
	return n;
}

/* "10 GiB"; "1.3 GiB" of what is no whole number. */
static const char *amount_format(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	if (bytes < 1024 || bytes % MIB(1) == 0)
		return size_format(bytes, buf, size);
	for (; unit < COUNT(units) - 1 && bytes >> (10 * (unit + 2)); unit++)
		;
	const uint64_t tenths = (bytes >> (10 * unit)) * 10 / 1024;
	(void)snprintf(
		buf, size, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
	return buf;
}

static void part_text(const struct image_part *p)
{
	char path[TEXT_MAX], size[32], used[32], cluster[32];

	file_escape(path, sizeof(path), p->path);
	(void)printf("%s\n", path);
	(void)printf("  format      %s%s%s%s%s%s\n", p->format, p->variant[0] ? ", " : "",
		p->variant, p->encrypted ? ", encrypted" : "",
		p->corrupt ? ", marked as damaged" : "",
		p->snapshot_count ? ", with snapshots" : "");
	(void)printf("  size        %s (%" PRIu64 " bytes)\n",
		amount_format(p->size, size, sizeof(size)), p->size);
	(void)printf("  on disk     %s\n", amount_format(p->allocated, used, sizeof(used)));
	if (p->cluster)
		(void)printf(
			"  clusters    %s\n", size_format(p->cluster, cluster, sizeof(cluster)));
	if (!p->backing[0])
		return;
	file_escape(path, sizeof(path), p->backing);
	(void)printf("  backed by   %s%s%s%s\n", path, p->backing_format[0] ? " (" : "",
		p->backing_format, p->backing_format[0] ? ")" : "");
}

void image_report_text(const struct image_report *r)
{
	char path[TEXT_MAX], size[32], old[32];

	for (size_t i = 0; r->chain && i < r->chain->count; i++)
		part_text(&r->chain->parts[i]);
	if (r->chain)
		return;
	file_escape(path, sizeof(path), r->path);
	(void)amount_format(r->size, size, sizeof(size));
	if (r->has_old_size)
		(void)printf("%s: %s, was %s\n", path, size,
			amount_format(r->old_size, old, sizeof(old)));
	else
		(void)printf("%s: %s, %s\n", path, r->format, size);
}
