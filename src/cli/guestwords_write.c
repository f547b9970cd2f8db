/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/guestwords.h"
#include "cli/place.h"
#include "engine/guestfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct word_writer {
	FILE *out;
	const struct guest_words *ws;
	char folder[FILE_PATH_MAX]; /* the working folder, with a slash at the end */
	bool began; /* there is a section already */
};

static void section_begin(struct word_writer *wr, const char *name)
{
	(void)fprintf(wr->out, "%s[%s]\n", wr->began ? "\n" : "", name);
	wr->began = true;
}

static int value_put(struct word_writer *wr, const char *option, const char *key, const char *value,
	struct err *e)
{
	if (value && !guestfile_takes(value)) {
		(void)err_say(
			e, -EINVAL, "--%s: '%.60s' cannot stand in a guest file", option, value);
		err_hint(e, "a guest file is UTF-8 without control characters, in lines");
		return -EINVAL;
	}
	guestfile_put(wr->out, key, value);
	return 0;
}

/* The word at @i of all: those of the file, then those of the command line. NULL after the last. */
static const struct guest_word *word_at(const struct guest_words *ws, size_t i)
{
	if (i < ws->of_file.count)
		return &ws->of_file.list[i];
	i -= ws->of_file.count;
	return i < ws->of_command.count ? &ws->of_command.list[i] : NULL;
}

static int key_write(struct word_writer *wr, const struct guest_word *w, struct err *e)
{
	cleanup_free char *text = NULL;

	if (w->text && place_rebase(w->place, w->text, wr->folder, &text) < 0)
		return err_set(e, -ENOMEM, "write '%s'", w->place->option);
	return value_put(wr, w->place->option, w->place->option, text, e);
}

/* All words of one option; of one that stands once the last. */
static int option_write(struct word_writer *wr, const struct place *p, struct err *e)
{
	const struct guest_word *last = NULL, *w;
	int r = 0;

	for (size_t i = 0; r == 0 && (w = word_at(wr->ws, i)); i++) {
		if (w->place != p)
			continue;
		last = w;
		if (p->kind == PLACE_KEYS)
			r = key_write(wr, w, e);
	}
	return r == 0 && last && p->kind == PLACE_KEY ? key_write(wr, last, e) : r;
}

static bool is_guest_key(const struct place *p)
{
	return p->kind == PLACE_KEY || p->kind == PLACE_KEYS;
}

static int guest_write(struct word_writer *wr, const char *name, struct err *e)
{
	const struct guest_word *w;
	const struct place *p;
	bool has_key = name != NULL;
	int r = 0;

	for (size_t i = 0; !has_key && (w = word_at(wr->ws, i)); i++)
		has_key = is_guest_key(w->place);
	if (has_key)
		section_begin(wr, PLACE_GUEST);
	for (size_t i = 0; r == 0 && (p = place_at(i)); i++) {
		if (name && strcmp(p->option, "name") == 0)
			r = value_put(wr, p->option, p->option, name, e);
		else if (is_guest_key(p))
			r = option_write(wr, p, e);
	}
	return r;
}

/* @part: of the value of an option with a section; its end becomes a NUL. */
static int part_write(
	struct word_writer *wr, const struct place *p, char *part, bool first, struct err *e)
{
	if (first && p->first)
		return value_put(wr, p->option, p->first, part, e);
	char *value = strchr(part, '=');
	if (value)
		*value++ = '\0';
	return value_put(wr, p->option, part, value, e);
}

/* A comma of the folder would end the value, and begin another key. */
static int folder_refuse(const struct word_writer *wr, const char *option, struct err *e)
{
	(void)err_say(
		e, -EINVAL, "--%s: the working folder '%.200s' has a comma", option, wr->folder);
	err_hint(e, "a path in --%s has none: move the file, and give its path", option);
	return -EINVAL;
}

static size_t commas_count(const char *text)
{
	size_t count = 0;

	for (const char *at = strchr(text, ','); at; at = strchr(at + 1, ','))
		count++;
	return count;
}

static int device_write(struct word_writer *wr, const struct guest_word *w, struct err *e)
{
	cleanup_free char *text = NULL;
	int r = 0;

	if (place_rebase(w->place, w->text, wr->folder, &text) < 0)
		return err_set(e, -ENOMEM, "write '%s'", w->place->option);
	if (commas_count(text) != commas_count(w->text))
		return folder_refuse(wr, w->place->option, e);
	section_begin(wr, w->place->option);
	for (char *rest = text, *part; r == 0 && (part = strsep(&rest, ","));)
		r = part_write(wr, w->place, part, part == text, e);
	return r;
}

static int arguments_write(struct word_writer *wr, struct err *e)
{
	int r = 0;

	if (wr->ws->argument_count)
		section_begin(wr, PLACE_QEMU);
	for (size_t i = 0; r == 0 && i < wr->ws->argument_count; i++)
		r = value_put(wr, PLACE_QEMU, PLACE_QEMU_KEY, wr->ws->arguments[i], e);
	return r;
}

int words_write(const struct guest_words *ws, const char *name, FILE *out, struct err *e)
{
	struct word_writer wr = {.out = out, .ws = ws};
	const struct guest_word *w;

	if (!getcwd(wr.folder, sizeof(wr.folder) - 1))
		return err_set(e, -errno, "find the working folder");
	if (strcmp(wr.folder, "/") != 0)
		(void)strcat(wr.folder, "/");
	int r = guest_write(&wr, name, e);
	for (size_t i = 0; r == 0 && (w = word_at(ws, i)); i++)
		if (w->place->kind == PLACE_SECTION)
			r = device_write(&wr, w, e);
	return r < 0 ? r : arguments_write(&wr, e);
}

int words_print(const struct guest_words *ws, struct err *e)
{
	cleanup_free char *text = NULL;
	struct text t;

	if (text_begin(&t) < 0)
		return err_set(e, -ENOMEM, "write a guest file");
	int r = words_write(ws, NULL, t.out, e);
	if (text_end(&t, &text) < 0)
		return err_set(e, -ENOMEM, "write a guest file");
	if (r == 0)
		(void)fputs(text, stdout);
	return r;
}
