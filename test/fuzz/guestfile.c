/* SPDX-License-Identifier: MIT */
/*
 * A guest file that anybody wrote: it is refused with a line, or it becomes options, which, written
 * again, say the same; and all options of these are taken, or one is refused, with a line.
 *
 * covers: src/engine/guestfile.c src/cli/guestwords.c src/cli/guestwords_apply.c
 * covers: src/cli/guestwords_write.c src/cli/place.c
 */
#include "base/err.h"
#include "base/text.h"
#include "cli/guestwords.h"
#include "cli/option.h"
#include "cli/place.h"
#include "cli/report.h"
#include "cli/run_words.h"
#include "engine/guestfile.h"
#include "require.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "folder/guest"

static const struct option *table(void)
{
	static const struct option *takes;
	const char *letters;

	if (!takes)
		takes = option_table(&verb_run, &letters);
	return takes;
}

static void check_refusal(int r, const struct err *e)
{
	if (r == -ENOMEM)
		return;
	require(r == -EINVAL, "what a refusal returns");
	require(strncmp(e->msg, NAME ":", sizeof(NAME)) == 0, "a refusal has its place");
	require(strtoul(e->msg + sizeof(NAME), NULL, 10) > 0, "a refusal has its line");
}

static void check_text(const char *text, size_t size)
{
	struct guestfile f = GUESTFILE_NONE;
	struct err e = {0};
	unsigned line = 0;
	size_t keys = 0;

	int r = guestfile_parse(NAME, text, size, &f, &e);
	if (r < 0) {
		check_refusal(r, &e);
		require(!f.text, "a refused file leaves nothing");
		return;
	}
	for (size_t i = 0; i < f.section_count; i++) {
		require(f.sections[i].name[0], "a section has a name");
		require(f.sections[i].first == keys, "sections have all keys");
		keys += f.sections[i].count;
	}
	require(keys == f.key_count, "each key has a section");
	for (size_t i = 0; i < f.key_count; i++) {
		const char *value = f.keys[i].value;
		require(f.keys[i].name[0], "a key has a name");
		require(f.keys[i].line > line, "keys have their lines");
		line = f.keys[i].line;
		require(!value || strlen(value) > GUESTFILE_LINE_MAX / 2 || guestfile_takes(value),
			"a value is a text");
	}
	guestfile_free(&f);
}

/* The first line as a value: what is put is read. */
static void check_value(const char *text)
{
	struct guestfile f = GUESTFILE_NONE;
	char *value = strndup(text, strcspn(text, "\n")), *file;
	struct text t;

	if (value && guestfile_takes(value) && text_begin(&t) == 0) {
		(void)fputs("[s]\n", t.out);
		guestfile_put(t.out, "k", value);
		int len = text_end(&t, &file);
		require(len > 0, "a value is written");
		require(guestfile_parse(NAME, file, (size_t)len, &f, NULL) == 0,
			"a written value is a file");
		require(f.key_count == 1 && strcmp(f.keys[0].value, value) == 0,
			"a written value is the same");
		guestfile_free(&f);
		free(file);
	}
	free(value);
}

/* Return: NULL if a value is too long. */
static char *written(const struct guest_words *ws)
{
	struct err e = {0};
	struct text t;
	char *text;

	if (text_begin(&t) < 0)
		return NULL;
	int r = words_write(ws, NULL, t.out, &e);
	if (text_end(&t, &text) < 0)
		return NULL;
	require(r == 0 || (r == -EINVAL && e.hint[0]), "what cannot be written is told");
	if (r == 0)
		return text;
	free(text);
	return NULL;
}

static size_t parts_of(const char *text)
{
	size_t count = 1;

	for (; *text; text++)
		count += *text == ',';
	return count;
}

static void check_words(const struct guest_words *ws)
{
	for (size_t i = 0; i < ws->of_file.count; i++) {
		const struct guest_word *w = &ws->of_file.list[i];
		require(w->line > 0 && w->place->kind != PLACE_NOWHERE, "a word has its line");
		if (w->place->kind != PLACE_SECTION)
			continue;
		require(parts_of(w->text) == w->part_count, "a key of a section is one part");
		require(place_check(w->place, w->text, NULL) == 0, "a key stands once");
		for (size_t k = 0; k < w->part_count; k++)
			require(w->lines[k] > w->line, "a part has its line");
	}
}

static void check_same(const struct guest_words *a, const struct guest_words *b)
{
	require(a->of_file.count == b->of_file.count, "written words are all there");
	require(a->argument_count == b->argument_count, "written arguments are all there");
	for (size_t i = 0; i < a->argument_count; i++)
		require(strcmp(a->arguments[i], b->arguments[i]) == 0, "an argument is the same");
}

/* What is written is a file, and that is written as it is. */
static void check_again(const struct guest_words *ws)
{
	struct guest_words back = WORDS_OF(&verb_run, table());
	struct err e = {0};
	char *text = written(ws);

	if (!text)
		return;
	require(words_parse(&back, NAME, text, strlen(text), &e) == 0, "what is written is a file");
	check_same(ws, &back);
	char *again = written(&back);
	require(again && strcmp(text, again) == 0, "what is written stays the same");
	free(again);
	free(text);
	words_free(&back);
}

/* What a check of all options says of one of them gets the line of that. */
static void check_late(struct guest_words *ws)
{
	for (size_t i = 0; i < ws->of_file.count && i < 8; i++) {
		const struct guest_word *w = &ws->of_file.list[i];
		struct err told = {.code = -EINVAL}, e = {0};
		(void)snprintf(told.msg, sizeof(told.msg), "--%s: '%.100s' is wrong",
			w->place->option, w->text ? w->text : "");
		(void)report_catch(&e);
		words_report(ws, &told);
		(void)report_catch(NULL);
		require(e.msg[0], "what is wrong is told");
		if (ws->of_file.count == 1 && !ws->of_command.count)
			check_refusal(-EINVAL, &e);
	}
}

static int word_count(void *arg, int value, const char *text)
{
	*(size_t *)arg += 1;
	return 0;
}

/* The command line repeats the file: it overrides what stands once. */
static void check_override(struct guest_words *ws)
{
	size_t count = ws->of_file.count;

	for (size_t i = 0; i < count; i++) {
		const struct guest_word *w = &ws->of_file.list[i];
		require(words_line(ws, w->place->option) > 0, "an option of a file has a line");
		if (words_add(ws, w->value, w->text, NULL) < 0)
			return;
		require(w->place->kind != PLACE_KEY || !words_line(ws, w->place->option),
			"an option that is overridden has none");
	}
	size_t taken = 0;
	require(words_apply(ws, word_count, &taken) == 0, "options are handed on");
	require(taken == 2 * count, "all options are handed on");
}

static void check_options(const char *text, size_t size)
{
	struct err e = {0};

	(void)report_catch(&e);
	int r = run_words_check(&verb_run, NAME, "guest", text, size);
	(void)report_catch(NULL);
	if (!r)
		return;
	require(e.msg[0] && memchr(e.msg, '\0', sizeof(e.msg)), "a refusal has a sentence");
	check_refusal(-EINVAL, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_words ws = WORDS_OF(&verb_run, table());
	struct err e = {0};

	if (size > GUESTFILE_MAX)
		return 0;
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	check_text(text, size);
	check_value(text);
	int r = words_parse(&ws, NAME, text, size, &e);
	if (r < 0) {
		check_refusal(r, &e);
	} else {
		check_words(&ws);
		check_again(&ws);
		check_late(&ws);
		check_override(&ws);
		check_late(&ws);
	}
	check_options(text, size);
	words_free(&ws);
	free(text);
	return 0;
}
