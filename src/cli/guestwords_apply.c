/* SPDX-License-Identifier: MIT */
/*
 * How it works. Invariant: an option of a file is parsed by what parses the command line, and says
 * the same; only the place differs.
 *
 * What a verb reports about an option of a file is caught, and reported with the file's line. The
 * value of a section is several keys in one text, so which of them is wrong is found by parsing
 * again, with one key more each time, until the same message comes. That leaves senseless devices
 * behind, and the run ends here anyway.
 *
 * What only shows when all options are known is reported by words_report(), which finds the line
 * of the option that the message begins with.
 */
#include "base/err.h"
#include "cli/guestwords.h"
#include "cli/option.h"
#include "cli/place.h"
#include "cli/report.h"
#include "engine/guestfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 120 /* [bytes] of a value that is looked for in a message */

/* The message without what belongs to a command line: "VERB: ", "--". */
static void message_strip(const struct guest_words *ws, struct err *e)
{
	size_t len = strlen(ws->verb->name);
	char *from = e->msg;

	if (strncmp(from, ws->verb->name, len) == 0 && strncmp(from + len, ": ", 2) == 0)
		from += len + 2;
	if (strncmp(from, "--", 2) == 0)
		from += 2;
	memmove(e->msg, from, strlen(from) + 1);
	if (strncmp(e->hint, "see 'usher ", 11) == 0)
		err_hint(e, "usher-guest(5) explains guest files");
}

/* A key of the guest that stands below a device, where a person has put it at the end of a file. */
static void key_explain(struct err *e)
{
	static const char start[] = "unknown key '";
	const char *at = strstr(e->msg, start);
	char key[32];

	if (!at)
		return;
	at += sizeof(start) - 1;
	(void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(at, "='"), at);
	const struct place *p = place_find(key);
	if (p && (p->kind == PLACE_KEY || p->kind == PLACE_KEYS))
		err_hint(e, "'%s' is a key of [guest]; put it above the first device", key);
}

static void place_report(const struct guest_words *ws, unsigned line, struct err *e)
{
	message_strip(ws, e);
	key_explain(e);
	(void)guestfile_blame(e, e->code, ws->file, line, 0);
	report(e);
}

struct word_taker {
	int (*take)(void *arg, int value, const char *text);
	void *arg;
};

/* As take(), but what it would have reported is in @e. */
static int take_caught(const struct word_taker *t, int value, const char *text, struct err *e)
{
	*e = (struct err){0};
	struct err *outer = report_catch(e);
	int r = t->take(t->arg, value, text);
	(void)report_catch(outer);
	return r;
}

/* Where the first @count parts of @text end. */
static size_t parts_length(const char *text, size_t count)
{
	size_t len = strcspn(text, ",");

	while (--count && text[len])
		len += 1 + strcspn(text + len + 1, ",");
	return len;
}

/* The line of the key that @e is about; that of the section, if it is about several. */
static unsigned line_find(
	const struct word_taker *t, const struct guest_word *w, const struct err *e)
{
	struct err again;

	for (size_t i = 1; i <= w->part_count; i++) {
		char *text = strndup(w->text, parts_length(w->text, i));
		if (!text)
			break;
		int r = take_caught(t, w->value, text, &again);
		free(text);
		if (r && strcmp(again.msg, e->msg) == 0)
			return w->lines[i - 1];
	}
	return w->line;
}

static int word_apply_line(
	const struct guest_words *ws, const struct word_taker *t, const struct guest_word *w)
{
	struct err e;

	int r = take_caught(t, w->value, w->text, &e);
	if (!r)
		return 0;
	place_report(ws, w->place->kind == PLACE_SECTION ? line_find(t, w, &e) : w->line, &e);
	return r;
}

static int word_apply_option(
	const struct guest_words *ws, const struct word_taker *t, const struct guest_word *w)
{
	struct err e = {0};

	if (w->text && place_check(w->place, w->text, &e) < 0)
		return option_wrong(ws->verb, "%s", e.msg);
	return t->take(t->arg, w->value, w->text);
}

int words_apply(
	struct guest_words *ws, int (*take)(void *arg, int value, const char *text), void *arg)
{
	const struct word_taker t = {.take = take, .arg = arg};
	int r = 0;

	for (size_t i = 0; !r && i < ws->of_file.count; i++)
		r = word_apply_line(ws, &t, &ws->of_file.list[i]);
	for (size_t i = 0; !r && i < ws->of_command.count; i++)
		r = word_apply_option(ws, &t, &ws->of_command.list[i]);
	return r;
}

static bool is_overridden(const struct guest_words *ws, const struct place *p)
{
	for (size_t i = 0; p->kind == PLACE_KEY && i < ws->of_command.count; i++)
		if (ws->of_command.list[i].place == p)
			return true;
	return false;
}

unsigned words_line(const struct guest_words *ws, const char *option)
{
	const struct place *p = place_find(option);

	for (size_t i = 0; p && i < ws->of_file.count; i++)
		if (ws->of_file.list[i].place == p && !is_overridden(ws, p))
			return ws->of_file.list[i].line;
	return 0;
}

static bool message_quotes(const struct err *e, const char *text, size_t len)
{
	char shown[SHOWN];

	(void)snprintf(shown, sizeof(shown), "'%.*s'", (int)len, text);
	return len && strstr(e->msg, shown);
}

/* "disk: poll=on is …", "port: limit= is …": the message names a key of the section. */
static bool message_names(const struct err *e, const struct guest_word *w, const char *part)
{
	const size_t option = strlen(w->place->option);

	if (strncmp(e->msg, w->place->option, option) != 0 ||
		strncmp(e->msg + option, ": ", 2) != 0)
		return false;
	const char *key = e->msg + option + 2;
	const size_t len = strcspn(key, " ");
	return memchr(key, '=', len) && strncmp(part, key, len) == 0;
}

/* The line of the key whose value stands in quotation marks in the message; 0: none does. */
static unsigned message_line(const struct err *e, const struct guest_word *w)
{
	const bool is_section = w->place->kind == PLACE_SECTION;
	const char *part = w->text;
	unsigned line = 0;

	for (size_t i = 0; part && i < w->part_count; i++) {
		size_t len = is_section ? strcspn(part, ",") : strlen(part);
		size_t head = i ? strcspn(part, "=,") + 1 : 0;
		head = head < len ? head : 0;
		if (message_quotes(e, part + head, len - head) || message_quotes(e, part, len) ||
			(is_section && message_names(e, w, part)))
			line = is_section ? w->lines[i] : w->line;
		part = part[len] ? part + len + 1 : NULL;
	}
	return line;
}

/* Whether the message begins with the option, or has the device's name, which stands alone. */
static bool message_is_about(const struct err *e, const struct place *p)
{
	size_t len = strlen(p->option);

	if (strncmp(e->msg, p->option, len) == 0 && strchr(":= ", e->msg[len]))
		return true;
	return strcmp(p->option, "device") == 0;
}

/* The line that @e is about; 0: none, or one of several. */
static unsigned late_line(const struct guest_words *ws, const struct err *e)
{
	const struct guest_word *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < ws->of_file.count; i++) {
		const struct guest_word *w = &ws->of_file.list[i];
		if (!message_is_about(e, w->place) || is_overridden(ws, w->place))
			continue;
		unsigned line = message_line(e, w);
		if (line)
			return line;
		found = w;
		count++;
	}
	for (size_t i = 0; found && i < ws->of_command.count; i++)
		count += ws->of_command.list[i].place == found->place;
	bool is_named =
		found && strncmp(e->msg, found->place->option, strlen(found->place->option)) == 0;
	return is_named && count == 1 ? found->line : 0;
}

void words_report(const struct guest_words *ws, const struct err *e)
{
	struct err stripped = *e;

	message_strip(ws, &stripped);
	unsigned line = ws->file ? late_line(ws, &stripped) : 0;
	if (!line) {
		report(e);
		return;
	}
	place_report(ws, line, &stripped);
}
