/* SPDX-License-Identifier: MIT */
#include "image/script.h"

#include <string.h>

/* Where the next byte goes. The last byte of @text stays for a NUL. */
struct pen {
	char *to;
	size_t used;
};

static void pen_put(struct pen *p, char c)
{
	if (p->used < SCRIPT_TEXT_MAX - 1)
		p->to[p->used++] = c;
}

static void pen_print(struct pen *p, const char *text)
{
	while (*text)
		pen_put(p, *text++);
}

/* At a '$'. A value with blanks is one word in quotes, and several words outside of them. */
static void variable_read(struct script *s, struct pen *p)
{
	const char *value = "";
	size_t len = variable_expand(s->variables, s->at + 1, &value);

	if (len)
		pen_print(p, value);
	else
		pen_put(p, '$');
	s->at += 1 + len;
}

static void quoted_read(struct script *s, struct pen *p)
{
	const char quote = *s->at++;

	while (*s->at && *s->at != quote) {
		if (quote == '"' && *s->at == '$') {
			variable_read(s, p);
			continue;
		}
		if (quote == '"' && *s->at == '\\' && s->at[1] && strchr("\\\"$`", s->at[1]))
			s->at++;
		pen_put(p, *s->at++);
	}
	s->at += *s->at == quote;
}

/* A backslash before a line's end joins two lines. */
static void escaped_read(struct script *s, struct pen *p)
{
	s->at++;
	if (*s->at && *s->at != '\n')
		pen_put(p, *s->at);
	s->at += *s->at != '\0';
}

static void word_read(struct script *s, struct pen *p)
{
	while (*s->at && !strchr(" \t\r\n;", *s->at)) {
		if (*s->at == '\'' || *s->at == '"')
			quoted_read(s, p);
		else if (*s->at == '\\')
			escaped_read(s, p);
		else if (*s->at == '$')
			variable_read(s, p);
		else
			pen_put(p, *s->at++);
	}
}

static bool is_brace(const char *word)
{
	return strcmp(word, "{") == 0 || strcmp(word, "}") == 0;
}

static void blanks_skip(struct script *s)
{
	s->at += strspn(s->at, " \t\r");
	if (s->at[0] == '\\' && s->at[1] == '\n') {
		s->at += 2;
		blanks_skip(s);
	}
}

bool script_next(struct script *s)
{
	struct pen p = {.to = s->text};

	s->count = 0;
	s->at += strspn(s->at, " \t\r\n;");
	while (*s->at) {
		blanks_skip(s);
		if (*s->at == '#')
			s->at += strcspn(s->at, "\n");
		if (!*s->at || *s->at == '\n' || *s->at == ';')
			break;
		const char *start = s->text + p.used;
		word_read(s, &p);
		s->text[p.used] = '\0';
		if (p.used < SCRIPT_TEXT_MAX - 1)
			p.used++;
		if (s->count < SCRIPT_WORDS_MAX)
			s->words[s->count++] = start;
		if (is_brace(start))
			return true;
	}
	return s->count > 0 || *s->at;
}
