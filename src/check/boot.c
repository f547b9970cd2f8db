/* SPDX-License-Identifier: MIT */
#include "check/boot.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootowner.h"
#include "check/efi.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

/*
 * A file with kernel command line options. A path that ends in a slash stands for all files in it.
 */
struct source {
	const char *path;
	const char *key; /* the beginning of the line; "" if the file contains the options only */
	enum boot_file kind;
};

static const struct source sources[] = {
	{"/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=", BOOT_FILE_GRUB},
	{"/etc/default/grub", "GRUB_CMDLINE_LINUX=", BOOT_FILE_GRUB},
	{"/etc/default/grub.d/", "GRUB_CMDLINE_LINUX_DEFAULT=", BOOT_FILE_GRUB},
	{"/etc/default/grub.d/", "GRUB_CMDLINE_LINUX=", BOOT_FILE_GRUB},
	{"/etc/kernel/cmdline", "", BOOT_FILE_CMDLINE},
	{"/etc/cmdline.d/", "", BOOT_FILE_CMDLINE},
	{"/boot/loader/entries/", "options ", BOOT_FILE_ENTRY},
	{"/efi/loader/entries/", "options ", BOOT_FILE_ENTRY},
	{"/boot/efi/loader/entries/", "options ", BOOT_FILE_ENTRY},
	{"/etc/dracut.conf", "kernel_cmdline", BOOT_FILE_DRACUT},
	{"/etc/dracut.conf.d/", "kernel_cmdline", BOOT_FILE_DRACUT},
	{"/etc/sdboot-manage.conf", "LINUX_OPTIONS=", BOOT_FILE_SDBOOT},
	{"/etc/default/limine", "KERNEL_CMDLINE", BOOT_FILE_LIMINE_DEFAULT},
	{"/boot/limine.conf", "cmdline:", BOOT_FILE_LIMINE},
	{"/boot/limine.conf", "kernel_cmdline:", BOOT_FILE_LIMINE},
	{"/boot/limine/limine.conf", "cmdline:", BOOT_FILE_LIMINE},
	{"/boot/EFI/limine/limine.conf", "cmdline:", BOOT_FILE_LIMINE},
	{"/boot/limine.cfg", "CMDLINE=", BOOT_FILE_LIMINE},
	{"/boot/refind_linux.conf", "\"", BOOT_FILE_REFIND},
	{"/boot/syslinux/syslinux.cfg", "append ", BOOT_FILE_SYSLINUX},
	{"/etc/default/u-boot", "U_BOOT_PARAMETERS=", BOOT_FILE_UBOOT},
	{"/etc/update-extlinux.conf", "default_kernel_opts=", BOOT_FILE_ALPINE},
	{"/boot/extlinux/extlinux.conf", "append ", BOOT_FILE_EXTLINUX},
	{"/boot/extlinux.conf", "append ", BOOT_FILE_EXTLINUX},
	{"/boot/armbianEnv.txt", "extraargs=", BOOT_FILE_ARMBIAN},
	{"/boot/orangepiEnv.txt", "extraargs=", BOOT_FILE_ARMBIAN},
	{"/boot/firmware/cmdline.txt", "", BOOT_FILE_FIRMWARE},
	{"/boot/cmdline.txt", "", BOOT_FILE_FIRMWARE},
};

/* The options after the key of a line, without '=', '+=', "[name]", blanks and quotes. */
static char *take_words(const char *text)
{
	text += strspn(text, " \t");
	if (*text == '[')
		text += strcspn(text, "]") + (strchr(text, ']') != NULL);
	text += strspn(text, "+=: \t");
	char quote = *text == '"' || *text == '\'' ? *text : '\0';
	text += quote != '\0';
	char *words = strdup(text);
	char *end = words && quote ? strchr(words, quote) : NULL;
	if (end)
		*end = '\0';
	return words;
}

/* A line of refind_linux.conf has two quoted texts: the title of the entry, then its options. */
static const char *skip_title(const struct source *s, const char *rest)
{
	const char *end = s->kind == BOOT_FILE_REFIND ? strchr(rest, '"') : NULL;

	return end ? end + 1 : rest;
}

static void add_line(
	struct boot *b, const struct source *s, const char *file, unsigned number, const char *rest)
{
	struct boot_line *l = &b->lines[b->line_count];

	if (b->line_count == BOOT_LINES_MAX || file_path(l->file, sizeof(l->file), "%s", file) < 0)
		return;
	l->kind = s->kind;
	l->number = number;
	(void)snprintf(l->key, sizeof(l->key), "%.*s", (int)strcspn(s->key, "=: \""), s->key);
	l->words = take_words(skip_title(s, rest));
	if (l->words)
		b->line_count++;
}

static void read_file(struct host *h, const struct source *s, const char *file, struct boot *b)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	unsigned number = 0;
	size_t len = strlen(s->key);

	if (host_read_all(h, file, &text) < 0)
		return;
	/*
	 * Not strtok_r(): it skips empty lines, and the line numbers would differ from an editor's.
	 */
	for (char *line = text; line; line = save) {
		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		number++;
		line += strspn(line, " \t");
		if (*line && *line != '#' && strncasecmp(line, s->key, len) == 0)
			add_line(b, s, file, number, line + len);
	}
}

struct reading {
	struct host *host;
	const struct source *source;
	struct boot *boot;
	char entry[128]; /* the boot loader entry that was booted; "" if unknown */
	char release[128]; /* of the booted kernel */
	bool has_release; /* a file of this folder is named after the booted kernel */
};

static int note_release(void *arg, const char *name)
{
	struct reading *r = arg;

	r->has_release |= r->release[0] && strstr(name, r->release);
	return 0;
}

/*
 * The entries of other kernels say nothing about the booted line. The loader names the booted
 * entry; else its file is named after the kernel. Boot counting appends "+3-1" to the name.
 */
static bool entry_was_booted(const struct reading *r, const char *name)
{
	size_t n = strlen(r->entry);

	if (n > 5 && strncmp(name, r->entry, n - 5) == 0 && name[n - 5] == '+')
		return true; /* n - 5: without ".conf" */
	if (n)
		return strncmp(name, r->entry, n) == 0;
	return !r->has_release || strstr(name, r->release);
}

static bool name_ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), len = strlen(end);

	return n >= len && strcmp(name + n - len, end) == 0;
}

static int read_name(void *arg, const char *name)
{
	struct reading *r = arg;
	char path[FILE_PATH_MAX];

	if (r->source->kind == BOOT_FILE_ENTRY && !entry_was_booted(r, name))
		return 0;
	if (r->source->kind == BOOT_FILE_GRUB && !name_ends_in(name, ".cfg"))
		return 0; /* grub-mkconfig does not read it */
	if (file_path(path, sizeof(path), "%s%s", r->source->path, name) == 0)
		read_file(r->host, r->source, path, r->boot);
	return 0;
}

static void read_source(struct reading *r, const struct source *s)
{
	size_t n = strlen(s->path);
	char folder[FILE_PATH_MAX];

	r->source = s;
	if (s->path[n - 1] != '/') {
		read_file(r->host, s, s->path, r->boot);
		return;
	}
	if (file_path(folder, sizeof(folder), "%.*s", (int)n - 1, s->path) < 0)
		return;
	r->has_release = false;
	(void)r->host->ops->list(r->host, folder, note_release, r);
	(void)r->host->ops->list(r->host, folder, read_name, r);
}

/* grub-mkconfig reads /etc/default/grub first, then the files of the folder by name. */
static bool line_is_later(const struct boot_line *l, const struct boot_line *other)
{
	int order = strcmp(l->file, other->file);

	return order ? order > 0 : l->number > other->number;
}

/* These files are shell scripts: an assignment replaces the one before it, unless it quotes it. */
static bool line_replaces(const struct boot_line *l, const struct boot_line *other)
{
	return l->kind == BOOT_FILE_GRUB && other->kind == BOOT_FILE_GRUB &&
	       strcmp(l->key, other->key) == 0 && line_is_later(l, other) && !strchr(l->words, '$');
}

static void mark_replaced(struct boot *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		for (size_t k = 0; k < b->line_count; k++)
			b->lines[i].is_replaced |= line_replaces(&b->lines[k], &b->lines[i]);
}

const struct boot_line *boot_line_instead(const struct boot *b, const struct boot_line *l)
{
	const struct boot_line *last = NULL;

	for (size_t i = 0; i < b->line_count; i++)
		if (line_replaces(&b->lines[i], l) && !b->lines[i].is_replaced)
			last = &b->lines[i];
	return last;
}

void boot_read(struct host *h, struct boot *ret)
{
	struct reading r = {.host = h, .boot = ret};

	*ret = (struct boot){.tool = ""};
	if (host_read_all(h, "/proc/cmdline", &ret->booted) < 0)
		ret->booted = NULL;
	else
		ret->booted[strcspn(ret->booted, "\n")] = '\0';
	efi_loader_variable(h, "LoaderEntrySelected", r.entry, sizeof(r.entry));
	if (host_read_text(h, "/proc/sys/kernel/osrelease", r.release, sizeof(r.release)) < 0)
		r.release[0] = '\0';
	for (size_t i = 0; i < COUNT(sources); i++)
		read_source(&r, &sources[i]);
	mark_replaced(ret);
	boot_owner_find(h, ret);
}

void boot_fini(struct boot *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		free(b->lines[i].words);
	free(b->booted);
	*b = (struct boot){.tool = ""};
}
