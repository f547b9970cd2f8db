/* SPDX-License-Identifier: MIT */
#include "image/variable.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t name_length(const char *text)
{
	size_t len = 0;

	if (isdigit((unsigned char)text[0]))
		return 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	return len;
}

/* Return: its place in the list; v->count if it is not set. */
static size_t variable_find(const struct variables *v, const char *name, size_t len)
{
	size_t i = 0;

	while (i < v->count && (strncmp(v->list[i].name, name, len) != 0 || v->list[i].name[len]))
		i++;
	return i;
}

void variable_set(struct variables *v, const char *name, size_t len, const char *value)
{
	if (!len || len >= VARIABLE_NAME_MAX || strlen(value) >= VARIABLE_VALUE_MAX)
		return;
	size_t at = variable_find(v, name, len);
	if (at == VARIABLES_MAX)
		return;
	v->count += at == v->count;
	struct variable *one = &v->list[at];
	(void)snprintf(one->name, sizeof(one->name), "%.*s", (int)len, name);
	(void)snprintf(one->value, sizeof(one->value), "%s", value);
}

int variable_assign(struct variables *v, const char *text)
{
	size_t len = name_length(text);

	if (!len || text[len] != '=')
		return -EINVAL;
	variable_set(v, text, len, text + len + 1);
	return 0;
}

const char *variable_get(const struct variables *v, const char *name, size_t len)
{
	size_t at = len < VARIABLE_NAME_MAX ? variable_find(v, name, len) : v->count;

	return at < v->count ? v->list[at].value : "";
}

void variables_load(struct variables *v, const char *text)
{
	char line[VARIABLE_NAME_MAX + VARIABLE_VALUE_MAX];

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		size_t len = strcspn(text, "\n");
		if (text[0] == '#' || len >= sizeof(line))
			continue;
		(void)snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (strncmp(line, "next_entry=", 11) != 0)
			(void)variable_assign(v, line);
	}
}

size_t variable_expand(const struct variables *v, const char *text, const char **ret)
{
	size_t braces = text[0] == '{';
	size_t len = name_length(text + braces);

	if (!len || (braces && text[1 + len] != '}'))
		return 0;
	*ret = variable_get(v, text + braces, len);
	return len + 2 * braces;
}
