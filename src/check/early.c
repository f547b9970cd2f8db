/* SPDX-License-Identifier: MIT */
#include "check/early.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/earlyowner.h"
#include "check/modprobe.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

/* A file with lists of modules. A path that ends in a slash stands for all files in it. */
struct source {
	const char *path;
	const char *key; /* in front of the list; "": each line begins with a module's name */
	enum early_list list;
};

static const struct source sources[] = {
	{"/etc/initramfs-tools/modules", "", EARLY_LIST_TOOLS},
	{"/usr/share/initramfs-tools/modules.d/", "", EARLY_LIST_TOOLS},
	{"/etc/dracut.conf", "force_drivers", EARLY_LIST_DRACUT},
	{"/etc/dracut.conf", "add_drivers", EARLY_LIST_DRACUT},
	{"/etc/dracut.conf.d/", "force_drivers", EARLY_LIST_DRACUT},
	{"/etc/dracut.conf.d/", "add_drivers", EARLY_LIST_DRACUT},
	{"/usr/lib/dracut/dracut.conf.d/", "force_drivers", EARLY_LIST_DRACUT},
	{"/etc/mkinitcpio.conf", "MODULES", EARLY_LIST_MKINITCPIO},
	{"/etc/mkinitcpio.conf.d/", "MODULES", EARLY_LIST_MKINITCPIO},
	{"/etc/mkinitcpio.conf", "HOOKS", EARLY_LIST_HOOKS},
	{"/etc/mkinitcpio.conf.d/", "HOOKS", EARLY_LIST_HOOKS},
	{"/etc/booster.yaml", "modules_force_load", EARLY_LIST_BOOSTER},
	{"/etc/nixos/configuration.nix", "boot.initrd.kernelModules", EARLY_LIST_NIXOS},
	{"/etc/nixos/configuration.nix", "initrd.kernelModules", EARLY_LIST_NIXOS},
	{"/etc/nixos/hardware-configuration.nix", "boot.initrd.kernelModules", EARLY_LIST_NIXOS},
	{"/etc/modules", "", EARLY_LIST_LATE},
	{"/etc/modules-load.d/", "", EARLY_LIST_LATE},
	{"/etc/conf.d/modules", "modules", EARLY_LIST_LATE},
};

/* The list at @text: between brackets or quotes, also over several lines, or the rest of a line. */
static size_t list_length(const char **text)
{
	static const char opens[] = "\"'([", closes[] = "\"')]";

	*text += strspn(*text, " \t+=:");
	const char *open = **text ? strchr(opens, **text) : NULL;
	if (!open)
		return strcspn(*text, "\n#");
	++*text;
	return strcspn(*text, (char[]){closes[open - opens], '\0'});
}

/* The words of a list, with single blanks between them; comments are left out. */
static char *list_words(const char *text, size_t len)
{
	char *words = calloc(1, len + 1);
	size_t n = 0;

	for (size_t i = 0; words && i < len; i++) {
		if (text[i] == '#')
			i += strcspn(text + i, "\n");
		if (i < len && !strchr(" \t\n,\"'()[]?", text[i]))
			words[n++] = text[i];
		else if (n && words[n - 1] != ' ')
			words[n++] = ' ';
	}
	if (n && words[n - 1] == ' ')
		words[n - 1] = '\0';
	if (words)
		modprobe_name(words);
	return words;
}

/* A later assignment without '+' replaces what stood before it. */
static void lines_replace(struct early *y, const struct source *s, const char *rest)
{
	if (s->list != EARLY_LIST_MKINITCPIO && s->list != EARLY_LIST_HOOKS)
		return;
	if (rest[strspn(rest, " \t")] == '+')
		return;
	for (size_t i = 0; i < y->line_count; i++)
		if (y->lines[i].list == s->list)
			y->lines[i].words[0] = '\0';
}

static void line_add(struct early *y, const struct source *s, const char *file, unsigned number,
	const char *rest)
{
	struct early_line *l = &y->lines[y->line_count];
	const char *text = rest;

	if (y->line_count == EARLY_LINES_MAX || file_path(l->file, sizeof(l->file), "%s", file) < 0)
		return;
	lines_replace(y, s, rest);
	size_t len = *s->key ? list_length(&text) : strcspn(rest, " \t\n#");
	l->list = s->list;
	l->number = number;
	(void)snprintf(l->key, sizeof(l->key), "%s", s->key);
	l->options[0] = '\0';
	if (!*s->key) {
		const char *at = rest + len + strspn(rest + len, " \t");
		(void)snprintf(l->options, sizeof(l->options), "%.*s", (int)strcspn(at, "\n#"), at);
	}
	l->words = list_words(text, len);
	if (l->words)
		y->line_count++;
}

static void read_file(struct host *h, const struct source *s, const char *file, struct early *y)
{
	cleanup_free char *text = NULL;
	size_t len = strlen(s->key);
	unsigned number = 0;

	if (host_read_all(h, file, &text) < 0)
		return;
	for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL) {
		const char *at = line + strspn(line, " \t");

		number++;
		if (!*at || strchr("\n#", *at) || strncmp(at, s->key, len) != 0 ||
			(len && !strchr(" \t+=:", at[len])))
			continue;
		line_add(y, s, file, number, at + len);
	}
}

struct reading {
	struct host *host;
	const struct source *source;
	struct early *early;
};

static int read_name(void *arg, const char *name)
{
	const struct reading *r = arg;
	char path[FILE_PATH_MAX];
	size_t n = strlen(name);

	if (n > 5 && strcmp(name + n - 5, ".conf") == 0 &&
		file_path(path, sizeof(path), "%s%s", r->source->path, name) == 0)
		read_file(r->host, r->source, path, r->early);
	return 0;
}

static void read_source(struct host *h, const struct source *s, struct early *y)
{
	struct reading r = {.host = h, .source = s, .early = y};
	size_t n = strlen(s->path);
	char folder[FILE_PATH_MAX];

	if (s->path[n - 1] != '/')
		read_file(h, s, s->path, y);
	else if (file_path(folder, sizeof(folder), "%.*s", (int)n - 1, s->path) == 0)
		(void)h->ops->list(h, folder, read_name, &r);
}

static int64_t boot_time(struct host *h)
{
	cleanup_free char *text = NULL;
	long long seconds = 0;

	if (host_read_all(h, "/proc/stat", &text) < 0)
		return 0;
	const char *line = strstr(text, "btime ");
	return line && sscanf(line, "btime %lld", &seconds) == 1 ? seconds : 0;
}

void early_read(struct host *h, const struct boot *b, struct early *ret)
{
	*ret = (struct early){0};
	for (size_t i = 0; i < COUNT(sources); i++)
		read_source(h, &sources[i], ret);
	early_owner_find(h, b, ret);
	ret->boot_time = boot_time(h);
}

void early_fini(struct early *y)
{
	for (size_t i = 0; i < y->line_count; i++)
		free(y->lines[i].words);
	*y = (struct early){0};
}

bool early_words_have(const char *words, const char *module, size_t *ret)
{
	size_t n = strlen(module);

	for (const char *at = words; (at = strstr(at, module)); at += n) {
		if ((at > words && at[-1] != ' ') || (at[n] && at[n] != ' '))
			continue;
		if (ret)
			*ret = (size_t)(at - words);
		return true;
	}
	return false;
}

const struct early_line *early_line_with(const struct early *y, const char *module, bool late)
{
	for (size_t i = 0; i < y->line_count; i++) {
		const struct early_line *l = &y->lines[i];
		bool of_owner =
			late ? l->list == EARLY_LIST_LATE
			     : early_owner_reads(y->owner, l->list) && l->list != EARLY_LIST_HOOKS;

		if (of_owner && early_words_have(l->words, module, NULL))
			return l;
	}
	return NULL;
}
