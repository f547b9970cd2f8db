/* SPDX-License-Identifier: MIT */
#include "image/line.h"

#include "base/clean.h"
#include "image/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 4096

struct line {
	char key[32];
	char value[LINE_MAX_BYTES];
};

/* Reads the line at @text, which may be blank: then its key is "". Return: the next line. */
static const char *line_read(const char *text, struct line *ret)
{
	size_t len = strcspn(text, "\n");
	const char *next = text + len + (text[len] == '\n'), *end = text + len;

	text += strspn(text, " \t");
	size_t key = text < end ? strcspn(text, " \t\r\n") : 0;
	const char *value = text + key;
	while (value < end && strchr(" \t", *value))
		value++;
	while (end > value && strchr(" \t\r", end[-1]))
		end--;
	ret->key[0] = '\0';
	if (key && key < sizeof(ret->key) && text[0] != '#')
		(void)snprintf(ret->key, sizeof(ret->key), "%.*s", (int)key, text);
	(void)snprintf(ret->value, sizeof(ret->value), "%.*s", end > value ? (int)(end - value) : 0,
		value);
	return next;
}

/* Words with blanks between; a variable that is not set is nothing. */
static void options_add(
	char options[ENTRY_OPTIONS_MAX], const struct variables *v, const char *text)
{
	size_t used = strlen(options);

	if (used && used < ENTRY_OPTIONS_MAX - 1)
		options[used++] = ' ';
	while (*text && used < ENTRY_OPTIONS_MAX - 1) {
		const char *value = NULL;
		size_t len = *text == '$' ? variable_expand(v, text + 1, &value) : 0;
		if (!len) {
			options[used++] = *text++;
			continue;
		}
		size_t copied = strnlen(value, ENTRY_OPTIONS_MAX - 1 - used);
		memcpy(options + used, value, copied);
		used += copied;
		text += 1 + len;
	}
	while (used && options[used - 1] == ' ')
		used--;
	options[used] = '\0';
}

static void initrds_add(struct boot_entry *b, char *text, const char *between)
{
	char *save = NULL;

	for (char *one = strtok_r(text, between, &save); one; one = strtok_r(NULL, between, &save))
		if (one[0] != '$') /* Fedora's $tuned_initrd, which mostly is empty */
			entry_add_initrd(b, one);
}

static void bls_line(struct boot_entry *b, char *version, const struct variables *v, struct line *l)
{
	if (strcmp(l->key, "title") == 0)
		(void)entry_copy(b->title, sizeof(b->title), l->value);
	else if (strcmp(l->key, "version") == 0)
		(void)entry_copy(version, ENTRY_TITLE_MAX, l->value);
	else if (strcmp(l->key, "options") == 0)
		options_add(b->options, v, l->value);
	else if (strcmp(l->key, "initrd") == 0)
		initrds_add(b, l->value, " \t");
	else if (strcmp(l->key, "linux") == 0 && !entry_set_path(b->kernel, l->value))
		b->kernel[0] = '\0';
}

int bls_read(const char *text, const struct variables *v, struct boot_entry *ret,
	char version[ENTRY_TITLE_MAX])
{
	cleanup_free struct line *l = malloc(sizeof(*l));

	*ret = (struct boot_entry){0};
	version[0] = '\0';
	while (l && *text) {
		text = line_read(text, l);
		bls_line(ret, version, v, l);
	}
	return !l ? -ENOMEM : ret->kernel[0] ? 0 : -ENOENT;
}

static bool is_kernel_key(const char *key)
{
	return strcasecmp(key, "linux") == 0 || strcasecmp(key, "kernel") == 0;
}

static void extlinux_line(struct boot_entry *b, struct line *l)
{
	if (is_kernel_key(l->key) && !entry_set_path(b->kernel, l->value))
		b->kernel[0] = '\0';
	else if (strcasecmp(l->key, "initrd") == 0)
		initrds_add(b, l->value, ",");
	else if (strcasecmp(l->key, "append") == 0)
		(void)entry_copy(b->options, sizeof(b->options), l->value);
}

/* An old way: the word initrd= of the options. It means nothing to the kernel. */
static void extlinux_finish(struct boot_entry *b)
{
	char *word = strstr(b->options, "initrd=");

	if (!word || (word > b->options && word[-1] != ' '))
		return;
	size_t len = strcspn(word, " ");
	char *files = strndup(word + 7, len - 7);
	if (files && !b->initrd_count)
		initrds_add(b, files, ",");
	free(files);
	len += strspn(word + len, " ");
	memmove(word, word + len, strlen(word + len) + 1);
}

/* The entry of that label; the first one that has a kernel for NULL. */
static int label_read(const char *text, const char *label, struct line *l, struct boot_entry *ret)
{
	bool wanted = false;

	*ret = (struct boot_entry){0};
	while (*text) {
		text = line_read(text, l);
		if (strcasecmp(l->key, "label") != 0) {
			if (wanted)
				extlinux_line(ret, l);
			continue;
		}
		if (ret->kernel[0])
			break;
		*ret = (struct boot_entry){0};
		wanted = !label || strcmp(l->value, label) == 0;
		(void)entry_copy(ret->title, sizeof(ret->title), l->value);
	}
	extlinux_finish(ret);
	return ret->kernel[0] ? 0 : -ENOENT;
}

int extlinux_choose(const char *text, struct boot_entry *ret)
{
	cleanup_free struct line *l = malloc(sizeof(*l));
	char label[ENTRY_TITLE_MAX] = "";

	if (!l)
		return -ENOMEM;
	for (const char *at = text; *at;) {
		at = line_read(at, l);
		if (strcasecmp(l->key, "default") == 0)
			(void)entry_copy(label, sizeof(label), l->value);
	}
	return label[0] && label_read(text, label, l, ret) == 0 ? 0
								: label_read(text, NULL, l, ret);
}

int defaults_read(const char *text, char options[ENTRY_OPTIONS_MAX])
{
	static const char *const names[] = {"GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"};
	cleanup_free struct variables *v = calloc(1, sizeof(*v));
	cleanup_free struct script *s = malloc(sizeof(*s));

	options[0] = '\0';
	if (!v || !s)
		return -ENOMEM;
	s->at = text;
	s->variables = v;
	while (script_next(s))
		if (s->count == 1)
			(void)variable_assign(v, s->words[0]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = variable_get(v, names[i], strlen(names[i]));
		if (value[0])
			(void)entry_append(options, ENTRY_OPTIONS_MAX, value);
	}
	return options[0] ? 0 : -ENOENT;
}
