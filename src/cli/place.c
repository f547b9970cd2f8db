/* SPDX-License-Identifier: MIT */
#include "cli/place.h"

#include "base/err.h"
#include "base/num.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * A new option of `usher run` needs a row, and an example in test/unit/cli/guestwords.c. Keys of
 * [guest] are written in this order.
 */
static const struct place places[] = {
	{"name", PLACE_KEY},
	{"engine", PLACE_KEY},
	{"firmware", PLACE_KEY},
	{"kernel", PLACE_KEY, .path = true},
	{"kernel-from", PLACE_KEY, .path = true},
	{"initrd", PLACE_KEY, .path = true},
	{"cmdline", PLACE_KEY},
	{"memory", PLACE_KEY},
	{"hugepages", PLACE_KEY},
	{"cpus", PLACE_KEY},
	{"cpu-limit", PLACE_KEY},
	{"memory-limit", PLACE_KEY},
	{"rng", PLACE_KEY},
	{"rings", PLACE_KEY},
	{"balloon", PLACE_KEY},
	{"vsock", PLACE_KEY, .paths = "socket"},
	{"console", PLACE_KEY},
	{"display", PLACE_KEY},
	{"display-handover", PLACE_KEY},
	{"tpm", PLACE_KEY},
	{"usb", PLACE_KEYS},
	{"no-defaults", PLACE_KEY},
	{"peers", PLACE_KEY},
	{"no-reboot", PLACE_KEY},
	{"return", PLACE_KEY},
	{"on-sleep", PLACE_KEY},
	{"allow", PLACE_KEYS},
	{"env", PLACE_KEYS},
	{"no-sandbox", PLACE_KEY},
	{"stats", PLACE_KEY, .path = true},
	{"trace-bar", PLACE_KEYS},
	{"timing", PLACE_KEY},
	{"device", PLACE_SECTION, .first = "device", .paths = "rom", .plain = "off"},
	{"disk", PLACE_SECTION, .first = "file", .paths = "file backing", .flags = "ro"},
	{"share", PLACE_SECTION, .first = "folder", .paths = "folder", .flags = "ro"},
	{"net", PLACE_SECTION, .heads = "tap user vhost-user none", .paths = "path",
		.repeated = "forward", .flags = "user vhost-user none"},
	{"port", PLACE_SECTION, .first = "name", .paths = "socket pty file", .flags = "stdio"},
	{"detach", PLACE_NOWHERE},
	{"plan", PLACE_NOWHERE},
	{"dry-run", PLACE_NOWHERE},
	{"json", PLACE_NOWHERE},
	{"host", PLACE_NOWHERE},
	{"quiet", PLACE_NOWHERE},
	{"print-config", PLACE_NOWHERE},
	{"save", PLACE_NOWHERE},
	{"at-boot", PLACE_NOWHERE},
};

const struct place *place_at(size_t i)
{
	return i < COUNT(places) ? &places[i] : NULL;
}

const struct place *place_find(const char *option)
{
	for (size_t i = 0; i < COUNT(places); i++)
		if (strcmp(places[i].option, option) == 0)
			return &places[i];
	return NULL;
}

bool place_has_word(const char *words, const char *word, size_t len)
{
	while (words && *words) {
		size_t n = strcspn(words, " ");
		if (n == len && strncmp(words, word, len) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static void path_put(
	FILE *out, const struct place *p, const char *path, size_t len, const char *folder)
{
	bool plain = !len || *path == '/' || place_has_word(p->plain, path, len);

	(void)fprintf(out, "%s%.*s", plain ? "" : folder, (int)len, path);
}

/* A part of a value, up to a comma. */
static void part_put(FILE *out, const struct place *p, const char *part, size_t len, bool first,
	const char *folder)
{
	const char *equals = first && p->first ? NULL : memchr(part, '=', len);
	size_t head = equals ? (size_t)(equals - part) : len;

	if (first && p->first && place_has_word(p->paths, p->first, strlen(p->first))) {
		path_put(out, p, part, len, folder);
		return;
	}
	(void)fprintf(out, "%.*s", (int)head, part);
	if (!equals)
		return;
	(void)fputc('=', out);
	if (place_has_word(p->paths, part, head))
		path_put(out, p, equals + 1, len - head - 1, folder);
	else
		(void)fprintf(out, "%.*s", (int)(len - head - 1), equals + 1);
}

static void parts_put(FILE *out, const struct place *p, const char *text, const char *folder)
{
	for (const char *part = text;; part++) {
		size_t len = strcspn(part, ",");
		part_put(out, p, part, len, part == text, folder);
		part += len;
		if (!*part)
			return;
		(void)fputc(',', out);
	}
}

int place_rebase(const struct place *p, const char *text, const char *folder, char **ret)
{
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	if (p->kind == PLACE_SECTION || p->paths)
		parts_put(t.out, p, text, folder);
	else if (p->path)
		path_put(t.out, p, text, strlen(text), folder);
	else
		(void)fputs(text, t.out);
	return text_end(&t, ret) < 0 ? -ENOMEM : 0;
}

/* Whether a part before @part has its key. */
static bool key_is_doubled(const char *text, const char *part, size_t head)
{
	for (const char *at = text + strcspn(text, ","); at < part; at += strcspn(at, ",")) {
		at++;
		if (at < part && strcspn(at, ",=") == head && strncmp(at, part, head) == 0)
			return true;
	}
	return false;
}

int place_check(const struct place *p, const char *text, struct err *e)
{
	if (p->kind != PLACE_SECTION)
		return 0;
	for (const char *part = strchr(text, ','); part; part = strchr(part, ',')) {
		size_t head = strcspn(++part, ",=");
		if (head && !place_has_word(p->repeated, part, head) &&
			key_is_doubled(text, part, head))
			return err_say(e, -EINVAL, "--%s: '%.*s' is given twice", p->option,
				(int)head, part);
	}
	return 0;
}
