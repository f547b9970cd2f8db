/* SPDX-License-Identifier: MIT */
#include "cli/guestwords.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/option.h"
#include "cli/place.h"
#include "cli/report.h"
#include "engine/guestfile.h"
#include "engine/guestfile_read.h"
#include "view/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A guest file that is being turned into options. */
struct word_reader {
	struct guest_words *ws;
	const struct guestfile *file;
	const struct guestfile_section *section;
	char folder
		[FILE_PATH_MAX]; /* of the file, with a slash at the end; "": the working folder */
};

static void list_free(struct word_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->list[i].text);
	free(l->list);
}

void words_free(struct guest_words *ws)
{
	list_free(&ws->of_file);
	list_free(&ws->of_command);
	for (size_t i = 0; i < ws->argument_count; i++)
		free(ws->arguments[i]);
	free(ws->arguments);
	*ws = WORDS_OF(ws->verb, ws->takes);
}

/* @word.text is the list's from here on. */
static int list_append(struct word_list *l, struct guest_word *word, struct err *e)
{
	struct guest_word *list = reallocarray(l->list, l->count + 1, sizeof(*list));

	if (!list) {
		free(word->text);
		return err_set(e, -ENOMEM, "keep an option");
	}
	l->list = list;
	list[l->count++] = *word;
	return 0;
}

static const struct option *option_find(const struct guest_words *ws, const char *name)
{
	for (const struct option *o = ws->takes; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

int words_add(struct guest_words *ws, int value, const char *text, struct err *e)
{
	const struct option *o = ws->takes;
	struct guest_word word = {.value = value, .part_count = 1};

	while (o->name && o->val != value)
		o++;
	word.place = o->name ? place_find(o->name) : NULL;
	if (!word.place)
		return err_say(e, -EINVAL, "--%s has no place in guest files", o->name);
	word.text = text ? strdup(text) : NULL;
	if (text && !word.text)
		return err_set(e, -ENOMEM, "keep an option");
	return list_append(&ws->of_command, &word, e);
}

static int argument_add(struct guest_words *ws, const char *text, struct err *e)
{
	char **list = reallocarray(ws->arguments, ws->argument_count + 2, sizeof(*list));

	if (!list)
		return err_set(e, -ENOMEM, "keep an argument");
	ws->arguments = list;
	list[ws->argument_count] = strdup(text);
	if (!list[ws->argument_count])
		return err_set(e, -ENOMEM, "keep an argument");
	list[++ws->argument_count] = NULL;
	return 0;
}

int words_add_arguments(struct guest_words *ws, char *const *list, struct err *e)
{
	int r = 0;

	for (; r == 0 && *list; list++)
		r = argument_add(ws, *list, e);
	return r;
}

static int reader_refuse(const struct word_reader *rd, unsigned line, struct err *e)
{
	return guestfile_blame(e, -EINVAL, rd->ws->file, line, 0);
}

/* The key of the same name above @k in its section; NULL: none. */
static const struct guestfile_key *key_before(
	const struct word_reader *rd, const struct guestfile_key *k)
{
	for (const struct guestfile_key *at = &rd->file->keys[rd->section->first]; at < k; at++)
		if (strcmp(at->name, k->name) == 0)
			return at;
	return NULL;
}

static int doubled_refuse(
	const struct word_reader *rd, const struct guestfile_key *k, struct err *e)
{
	(void)err_say(e, -EINVAL, "'%.60s' stands twice in [%s], first in line %u", k->name,
		rd->section->name, key_before(rd, k)->line);
	return reader_refuse(rd, k->line, e);
}

static int value_refuse(const struct word_reader *rd, const struct guestfile_key *k, struct err *e)
{
	(void)err_say(e, -EINVAL, "%s: no value", k->name);
	err_hint(e, "write '%s = …'", k->name);
	return reader_refuse(rd, k->line, e);
}

static int key_refuse(const struct word_reader *rd, const struct guestfile_key *k, struct err *e)
{
	struct nearest near = nearest_begin(k->name);
	const struct place *p = place_find(k->name);

	if (p && p->kind == PLACE_SECTION) {
		(void)err_say(e, -EINVAL, "'%s' is not a key of [guest]", k->name);
		err_hint(e, "it has a section of its own, [%s]", k->name);
		return reader_refuse(rd, k->line, e);
	}
	if (p) {
		(void)err_say(e, -EINVAL, "'%s' is not a key of a guest file", k->name);
		err_hint(e, "it is about one run: 'usher run FILE --%s'", k->name);
		return reader_refuse(rd, k->line, e);
	}
	for (size_t i = 0; place_at(i); i++)
		if (place_at(i)->kind == PLACE_KEY || place_at(i)->kind == PLACE_KEYS)
			nearest_try(&near, place_at(i)->option);
	(void)err_say(e, -EINVAL, "unknown key '%.60s' in [guest]", k->name);
	if (near.word)
		err_hint(e, "did you mean '%s'?", near.word);
	else
		err_hint(e, "keys are the options of 'usher run --help', without '--'");
	return reader_refuse(rd, k->line, e);
}

/* What may have no value on the command line: "key", "key = yes" or "key = no". */
static int flag_read(
	const struct word_reader *rd, const struct guestfile_key *k, bool *ret, struct err *e)
{
	*ret = !k->value || strcmp(k->value, "yes") == 0;
	if (*ret || strcmp(k->value, "no") == 0)
		return 0;
	(void)err_say(e, -EINVAL, "%s: '%.40s' is neither yes nor no", k->name, k->value);
	return reader_refuse(rd, k->line, e);
}

static bool is_plain_flag(const struct option *o, const struct guestfile_key *k)
{
	return o->has_arg == no_argument ||
	       (o->has_arg == optional_argument && k->value &&
		       (strcmp(k->value, "yes") == 0 || strcmp(k->value, "no") == 0));
}

static int key_read(struct word_reader *rd, const struct guestfile_key *k, struct err *e)
{
	const struct place *p = place_find(k->name);
	const struct option *o = option_find(rd->ws, k->name);
	bool is_set = true;

	if (!p || !o || (p->kind != PLACE_KEY && p->kind != PLACE_KEYS))
		return key_refuse(rd, k, e);
	if (p->kind == PLACE_KEY && key_before(rd, k))
		return doubled_refuse(rd, k, e);
	if (o->has_arg == required_argument && !k->value)
		return value_refuse(rd, k, e);
	if (is_plain_flag(o, k)) {
		int r = flag_read(rd, k, &is_set, e);
		if (r < 0 || !is_set)
			return r;
	}
	struct guest_word word = {.place = p, .value = o->val, .line = k->line, .part_count = 1};
	if (!is_plain_flag(o, k) && k->value &&
		place_rebase(p, k->value, rd->folder, &word.text) < 0)
		return err_set(e, -ENOMEM, "keep an option");
	return list_append(&rd->ws->of_file, &word, e);
}

static int argument_read(struct word_reader *rd, const struct guestfile_key *k, struct err *e)
{
	if (strcmp(k->name, PLACE_QEMU_KEY) != 0) {
		(void)err_say(e, -EINVAL, "unknown key '%.60s' in [%s]", k->name, PLACE_QEMU);
		err_hint(e, "'%s = WORD', once for each word", PLACE_QEMU_KEY);
		return reader_refuse(rd, k->line, e);
	}
	return k->value ? argument_add(rd->ws, k->value, e) : value_refuse(rd, k, e);
}

static bool is_flag(const struct place *p, const struct guestfile_key *k)
{
	return place_has_word(p->flags, k->name, strlen(k->name));
}

/* "ro = no" */
static bool is_left_out(const struct place *p, const struct guestfile_key *k)
{
	return is_flag(p, k) && k->value && strcmp(k->value, "no") == 0;
}

/* The key that is FIRST in the value of the option; NULL: none. */
static const struct guestfile_key *head_find(const struct word_reader *rd, const struct place *p)
{
	const struct guestfile_key *k = &rd->file->keys[rd->section->first];

	for (size_t i = 0; i < rd->section->count; i++, k++)
		if (p->first ? strcmp(k->name, p->first) == 0
			     : place_has_word(p->heads, k->name, strlen(k->name)) &&
					!is_left_out(p, k))
			return k;
	return NULL;
}

static int head_refuse(const struct word_reader *rd, const struct place *p, struct err *e)
{
	if (p->first) {
		(void)err_say(e, -EINVAL, "[%s] has no '%s'", p->option, p->first);
		err_hint(e, "'%s = …' is what --%s begins with", p->first, p->option);
	} else {
		(void)err_say(e, -EINVAL, "[%s] has none of these keys: %s", p->option, p->heads);
	}
	return reader_refuse(rd, rd->section->line, e);
}

/* A comma would end the value, and begin another key. */
static int part_check(const struct word_reader *rd, const struct place *p,
	const struct guestfile_key *k, struct err *e)
{
	bool is_set;

	if (!place_has_word(p->repeated, k->name, strlen(k->name)) && key_before(rd, k))
		return doubled_refuse(rd, k, e);
	if (is_flag(p, k))
		return flag_read(rd, k, &is_set, e);
	if (!k->value || !strchr(k->value, ','))
		return 0;
	(void)err_say(e, -EINVAL, "%s: a comma in the value '%.60s'", k->name, k->value);
	err_hint(e, "each key of [%s] has a line of its own", p->option);
	return reader_refuse(rd, k->line, e);
}

static void part_put(FILE *out, const struct place *p, const struct guestfile_key *k, bool first)
{
	if (first && p->first)
		(void)fputs(k->value, out);
	else if (is_flag(p, k))
		(void)fprintf(out, "%s%s", first ? "" : ",", k->name);
	else
		(void)fprintf(out, "%s%s%s%s", first ? "" : ",", k->name, k->value ? "=" : "",
			k->value ? k->value : "");
}

/* The value of the option that a section stands for: @head, then the other keys in their order. */
static int parts_join(const struct word_reader *rd, const struct place *p,
	const struct guestfile_key *head, struct guest_word *word, struct err *e)
{
	const struct guestfile_key *k = &rd->file->keys[rd->section->first];
	cleanup_free char *text = NULL;
	size_t len;

	FILE *out = open_memstream(&text, &len);
	if (!out)
		return err_set(e, -ENOMEM, "keep an option");
	part_put(out, p, head, true);
	word->lines[word->part_count++] = head->line;
	for (size_t i = 0; i < rd->section->count; i++, k++) {
		if (k == head || is_left_out(p, k))
			continue;
		part_put(out, p, k, false);
		word->lines[word->part_count++] = k->line;
	}
	if (fclose(out) || place_rebase(p, text, rd->folder, &word->text) < 0)
		return err_set(e, -ENOMEM, "keep an option");
	return 0;
}

static int device_read(struct word_reader *rd, const struct place *p, struct err *e)
{
	const struct guestfile_key *head = head_find(rd, p);
	const struct guestfile_key *k = &rd->file->keys[rd->section->first];
	const struct option *o = option_find(rd->ws, p->option);
	struct guest_word word = {.place = p, .line = rd->section->line};

	if (!head || !o)
		return head_refuse(rd, p, e);
	if (p->first && !head->value)
		return value_refuse(rd, head, e);
	word.value = o->val;
	if (rd->section->count > WORD_PARTS_MAX) {
		(void)err_say(e, -EINVAL, "[%s] has more than %d keys", p->option, WORD_PARTS_MAX);
		return reader_refuse(rd, rd->section->line, e);
	}
	for (size_t i = 0; i < rd->section->count; i++, k++) {
		int r = part_check(rd, p, k, e);
		if (r < 0)
			return r;
	}
	int r = parts_join(rd, p, head, &word, e);
	return r < 0 ? r : list_append(&rd->ws->of_file, &word, e);
}

static int section_refuse(const struct word_reader *rd, struct err *e)
{
	const char *name = rd->section->name;
	struct nearest near = nearest_begin(name);
	const struct place *p = place_find(name);

	nearest_try(&near, PLACE_GUEST);
	nearest_try(&near, PLACE_QEMU);
	for (size_t i = 0; place_at(i); i++)
		if (place_at(i)->kind == PLACE_SECTION)
			nearest_try(&near, place_at(i)->option);
	(void)err_say(e, -EINVAL, "unknown section [%.60s]", name);
	if (p && p->kind != PLACE_NOWHERE)
		err_hint(e, "'%s' is a key of [guest]", name);
	else if (near.word)
		err_hint(e, "did you mean [%s]?", near.word);
	else
		err_hint(e, "sections are [guest], [device], [disk], [net] and on: usher-guest(5)");
	return reader_refuse(rd, rd->section->line, e);
}

static int twice_check(const struct word_reader *rd, struct err *e)
{
	const struct guestfile_section *s = rd->file->sections;

	while (strcmp(s->name, rd->section->name) != 0)
		s++;
	if (s == rd->section)
		return 0;
	(void)err_say(e, -EINVAL, "[%s] stands twice, first in line %u", s->name, s->line);
	return reader_refuse(rd, rd->section->line, e);
}

static int section_read(struct word_reader *rd, struct err *e)
{
	const struct place *p = place_find(rd->section->name);
	bool is_guest = strcmp(rd->section->name, PLACE_GUEST) == 0;

	if (!is_guest && strcmp(rd->section->name, PLACE_QEMU) != 0)
		return p && p->kind == PLACE_SECTION ? device_read(rd, p, e)
						     : section_refuse(rd, e);
	int r = twice_check(rd, e);
	for (size_t i = 0; r == 0 && i < rd->section->count; i++) {
		const struct guestfile_key *k = &rd->file->keys[rd->section->first + i];
		r = is_guest ? key_read(rd, k, e) : argument_read(rd, k, e);
	}
	return r;
}

int words_parse(
	struct guest_words *ws, const char *path, const char *text, size_t len, struct err *e)
{
	struct guestfile file = GUESTFILE_NONE;
	struct word_reader rd = {.ws = ws, .file = &file};

	ws->file = path;
	int r = file_path(
		rd.folder, sizeof(rd.folder), "%.*s", (int)(file_base(path) - path), path);
	if (r < 0)
		return err_set(e, r, "'%.40s…'", path);
	r = guestfile_parse(path, text, len, &file, e);
	for (size_t i = 0; r == 0 && i < file.section_count; i++) {
		rd.section = &file.sections[i];
		r = section_read(&rd, e);
	}
	guestfile_free(&file);
	ws->file_argument_count = ws->argument_count;
	return r;
}

int words_read(struct guest_words *ws, const char *path, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	int r = guestfile_read(path, &text, &len, e);
	return r < 0 ? r : words_parse(ws, path, text, len, e);
}

char *const *words_arguments(const struct guest_words *ws, bool is_qemu)
{
	static char *const none[] = {NULL};

	if (!ws->arguments)
		return none;
	return ws->arguments + (is_qemu ? 0 : ws->file_argument_count);
}
