/* SPDX-License-Identifier: MIT */
/*
 * How it works. Invariant: a file is taken as it looks in an editor, or it is refused with a line.
 * Nothing in it is expanded, included, continued or guessed.
 *
 * The bytes are checked first, each line whole: UTF-8, no character that an editor hides or obeys,
 * a newline at the end. So what follows handles plain lines. A line is empty, a comment ('#'), a
 * section ("[name]"), or a key with a value ("key = value") or without one ("key"). A value may
 * stand in quotation marks, where \" and \\ are the characters themselves; guestfile_put() writes
 * them only where the value would not come back without.
 */
#include "engine/guestfile.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"
#define NAME_SHOWN 96 /* [bytes] of a file's name that a message has room for */

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

struct guestfile_parser {
	const char *name; /* of the file */
	struct guestfile *file;
	unsigned line;
};

int guestfile_blame(struct err *e, int code, const char *name, unsigned line, unsigned column)
{
	size_t len = strlen(name);
	const char *dots = len > NAME_SHOWN ? "…" : "";

	name += len > NAME_SHOWN ? len - NAME_SHOWN : 0;
	if (!line)
		return err_in(e, code, "%s%s", dots, name);
	if (!column)
		return err_in(e, code, "%s%s:%u", dots, name, line);
	return err_in(e, code, "%s%s:%u:%u", dots, name, line, column);
}

/* What a hidden character is called, where people know it by a name. */
static const char *hidden_name(uint32_t c)
{
	switch (c) {
	case '\r':
		return "a carriage return";
	case 0x1b:
		return "an escape character";
	case 0xad:
		return "a soft hyphen";
	case 0x200b:
		return "a space without width";
	case 0xfeff:
		return "a byte order mark";
	default:
		return c < 0x20 || c == 0x7f ? "a control character" : "an invisible character";
	}
}

/* @at: in the line from @start of @len bytes; columns count bytes, as compilers do. */
static int byte_refuse(
	struct guestfile_parser *p, const char *start, size_t at, size_t len, struct err *e)
{
	uint32_t c = 0;

	if (start[at] == '\r' && at + 1 == len) {
		(void)err_say(e, -EINVAL, "the line ends with CR LF, as on Windows");
		err_hint(e, "dos2unix, or sed -i 's/\\r$//', makes plain lines of them");
		return guestfile_blame(e, -EINVAL, p->name, p->line, 0);
	}
	if (!start[at])
		(void)err_say(e, -EINVAL, "a NUL byte: this is not a text file");
	else if (!utf8_decode(start + at, &c))
		(void)err_say(e, -EINVAL, "byte 0x%02x is not UTF-8", (unsigned char)start[at]);
	else
		(void)err_say(e, -EINVAL, "%s, U+%04" PRIX32 ", which an editor does not show",
			hidden_name(c), c);
	return guestfile_blame(e, -EINVAL, p->name, p->line, (unsigned)at + 1);
}

static int bytes_check(struct guestfile_parser *p, const char *start, size_t len, struct err *e)
{
	uint32_t c;

	if (len > GUESTFILE_LINE_MAX) {
		(void)err_say(
			e, -EINVAL, "the line has %zu bytes, %d at most", len, GUESTFILE_LINE_MAX);
		return guestfile_blame(e, -EINVAL, p->name, p->line, 0);
	}
	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_decode(start + at, &c);
		if (!step || (utf8_is_hidden(c) && c != '\t'))
			return byte_refuse(p, start, at, len, e);
	}
	return 0;
}

/* Editors of Windows write UTF-16, or a mark in front of UTF-8. */
static int head_check(struct guestfile_parser *p, const char *text, size_t len, struct err *e)
{
	const char *what = NULL;

	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		what = "the file is UTF-16";
	else if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		what = "the file begins with a byte order mark";
	if (!what)
		return 0;
	(void)err_say(e, -EINVAL, "%s", what);
	err_hint(e, "save it as UTF-8 without a byte order mark");
	return guestfile_blame(e, -EINVAL, p->name, 1, 0);
}

static char *blanks_cut(char *text)
{
	text += strspn(text, BLANKS);
	size_t len = strlen(text);
	while (len && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int line_refuse(const struct guestfile_parser *p, const char *hint, struct err *e,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int line_refuse(
	const struct guestfile_parser *p, const char *hint, struct err *e, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_say(e, -EINVAL, "%s", text);
	if (hint)
		err_hint(e, "%s", hint);
	return guestfile_blame(e, -EINVAL, p->name, p->line, 0);
}

/* What a person may have meant by a name that is none. */
static const char *name_hint(const char *name)
{
	static const char likely[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (*name == ';' || strncmp(name, "//", 2) == 0)
		return "a comment begins with '#'";
	if (*name && strspn(name, likely) == strlen(name))
		return "names have small letters, digits and '-'";
	return "a line is 'key = value', 'key', [section] or '# comment'";
}

static int section_add(struct guestfile_parser *p, const char *name, struct err *e)
{
	struct guestfile *f = p->file;
	struct guestfile_section *list =
		reallocarray(f->sections, f->section_count + 1, sizeof(*list));

	if (!list)
		return err_set(e, -ENOMEM, "read '%s'", p->name);
	f->sections = list;
	list[f->section_count++] =
		(struct guestfile_section){.name = name, .line = p->line, .first = f->key_count};
	return 0;
}

static int section_parse(struct guestfile_parser *p, char *line, struct err *e)
{
	char *end = strchr(line, ']');

	if (!end || end[1])
		return line_refuse(p,
			"a section is a line such as [disk]; a comment has a line of its own", e,
			end ? "'%.40s' behind the section" : "']' is missing: '%.40s'",
			end ? blanks_cut(end + 1) : line);
	*end = '\0';
	char *name = blanks_cut(line + 1);
	if (!*name || strspn(name, name_letters) != strlen(name))
		return line_refuse(
			p, name_hint(name), e, "'%.40s' is not the name of a section", name);
	return section_add(p, name, e);
}

static int key_add(struct guestfile_parser *p, const char *name, const char *value, struct err *e)
{
	struct guestfile *f = p->file;

	if (!f->section_count)
		return line_refuse(p, "put [guest] above it", e,
			"'%.40s' stands before the first section", name);
	struct guestfile_key *list = reallocarray(f->keys, f->key_count + 1, sizeof(*list));
	if (!list)
		return err_set(e, -ENOMEM, "read '%s'", p->name);
	f->keys = list;
	list[f->key_count++] =
		(struct guestfile_key){.name = name, .value = value, .line = p->line};
	f->sections[f->section_count - 1].count++;
	return 0;
}

/* @value: behind its quotation mark; written over by what it means. */
static int value_unquote(
	const struct guestfile_parser *p, const char *key, char *value, struct err *e)
{
	char *to = value;

	for (; *value && *value != '"'; value++) {
		if (*value == '\\') {
			value++;
			if (*value != '"' && *value != '\\')
				return line_refuse(p,
					"between quotation marks, write \\\\ for a backslash", e,
					"%.40s: '\\%.1s' is neither \\\" nor \\\\", key, value);
		}
		*to++ = *value;
	}
	if (!*value)
		return line_refuse(p, NULL, e, "%.40s: the second quotation mark is missing", key);
	if (value[1])
		return line_refuse(p, "write \\\" for a quotation mark of the value itself", e,
			"%.40s: '%.40s' behind the second quotation mark", key, value + 1);
	*to = '\0';
	return 0;
}

/* Whether a person may have meant a comment. */
static bool has_comment(const char *value)
{
	for (const char *at = strchr(value, '#'); at; at = strchr(at + 1, '#'))
		if (at == value || strchr(BLANKS, at[-1]))
			return true;
	return false;
}

static int key_parse(struct guestfile_parser *p, char *line, struct err *e)
{
	char *value = strchr(line, '=');

	if (value)
		*value++ = '\0';
	const char *name = blanks_cut(line);
	if (!*name || strspn(name, name_letters) != strlen(name))
		return line_refuse(p, name_hint(name), e, "'%.60s' is not a key", name);
	if (!value)
		return key_add(p, name, NULL, e);
	value = blanks_cut(value);
	if (!*value)
		return line_refuse(p, "\"\" is the empty value", e, "%.40s: no value", name);
	if (*value == '"') {
		int r = value_unquote(p, name, ++value, e);
		return r < 0 ? r : key_add(p, name, value, e);
	}
	if (has_comment(value))
		return line_refuse(p,
			"comments have lines of their own; quotation marks keep a '#' in the value",
			e, "%.40s: '#' in the value", name);
	return key_add(p, name, value, e);
}

static int line_parse(struct guestfile_parser *p, char *line, struct err *e)
{
	line = blanks_cut(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[')
		return section_parse(p, line, e);
	return key_parse(p, line, e);
}

static int lines_parse(struct guestfile_parser *p, size_t len, struct err *e)
{
	char *text = p->file->text;

	int r = head_check(p, text, len, e);
	for (char *at = text; r == 0 && at < text + len;) {
		size_t left = (size_t)(text + len - at);
		char *end = memchr(at, '\n', left);
		p->line++;
		r = bytes_check(p, at, end ? (size_t)(end - at) : left, e);
		if (r < 0)
			return r;
		if (!end)
			return line_refuse(p, "add the newline, if nothing is missing", e,
				"the last line has no newline, so the file may be cut off");
		*end = '\0';
		r = line_parse(p, at, e);
		at = end + 1;
	}
	return r;
}

int guestfile_parse(
	const char *name, const char *text, size_t len, struct guestfile *ret, struct err *e)
{
	struct guestfile file = GUESTFILE_NONE;
	struct guestfile_parser p = {.name = name, .file = &file};

	file.text = malloc(len + 1);
	if (!file.text)
		return err_set(e, -ENOMEM, "read '%s'", name);
	memcpy(file.text, text, len);
	file.text[len] = '\0';
	int r = lines_parse(&p, len, e);
	if (r < 0)
		guestfile_free(&file);
	else
		*ret = file;
	return r;
}

void guestfile_free(struct guestfile *f)
{
	free(f->text);
	free(f->sections);
	free(f->keys);
	*f = GUESTFILE_NONE;
}

static bool needs_quotes(const char *value)
{
	size_t len = strlen(value);

	return !len || *value == '"' || strchr(BLANKS, *value) || strchr(BLANKS, value[len - 1]) ||
	       has_comment(value);
}

void guestfile_put(FILE *out, const char *key, const char *value)
{
	if (!value) {
		(void)fprintf(out, "%s\n", key);
		return;
	}
	if (!needs_quotes(value)) {
		(void)fprintf(out, "%s = %s\n", key, value);
		return;
	}
	(void)fprintf(out, "%s = \"", key);
	for (; *value; value++)
		(void)fprintf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
	(void)fputs("\"\n", out);
}

bool guestfile_takes(const char *value)
{
	uint32_t c;

	if (strlen(value) > GUESTFILE_LINE_MAX / 2)
		return false;
	for (size_t step; *value; value += step) {
		step = utf8_decode(value, &c);
		if (!step || (utf8_is_hidden(c) && c != '\t'))
			return false;
	}
	return true;
}
