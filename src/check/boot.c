/* SPDX-License-Identifier: MIT */
#include "check/boot.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#define EFIVARS "/sys/firmware/efi/efivars"
/* Ref: The Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE */
#define LOADER_GUID "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/*
 * A file with kernel command line options. A path that ends in a slash stands for all files in it.
 */
struct source {
	const char *path;
	const char *key; /* the beginning of the line; "" if the file contains the options only */
	enum boot_loader loader;
};

static const struct source sources[] = {
	{"/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=", BOOT_GRUB},
	{"/etc/default/grub", "GRUB_CMDLINE_LINUX=", BOOT_GRUB},
	{"/etc/default/grub.d/", "GRUB_CMDLINE_LINUX_DEFAULT=", BOOT_GRUB},
	{"/etc/default/grub.d/", "GRUB_CMDLINE_LINUX=", BOOT_GRUB},
	{"/etc/kernel/cmdline", "", BOOT_SYSTEMD},
	{"/boot/loader/entries/", "options ", BOOT_SYSTEMD},
	{"/efi/loader/entries/", "options ", BOOT_SYSTEMD},
	{"/boot/efi/loader/entries/", "options ", BOOT_SYSTEMD},
	{"/etc/default/limine", "KERNEL_CMDLINE", BOOT_LIMINE},
	{"/boot/limine.conf", "cmdline:", BOOT_LIMINE},
	{"/boot/limine.conf", "kernel_cmdline:", BOOT_LIMINE},
	{"/boot/limine/limine.conf", "cmdline:", BOOT_LIMINE},
	{"/boot/EFI/limine/limine.conf", "cmdline:", BOOT_LIMINE},
	{"/boot/limine.cfg", "CMDLINE=", BOOT_LIMINE},
	{"/boot/extlinux/extlinux.conf", "append ", BOOT_EXTLINUX},
	{"/boot/firmware/cmdline.txt", "", BOOT_FIRMWARE},
	{"/boot/cmdline.txt", "", BOOT_FIRMWARE},
};

const char *boot_loader_name(enum boot_loader l)
{
	static const char *const names[] = {
		[BOOT_UNKNOWN] = "an unknown boot loader",
		[BOOT_GRUB] = "GRUB",
		[BOOT_SYSTEMD] = "systemd-boot",
		[BOOT_LIMINE] = "Limine",
		[BOOT_EXTLINUX] = "extlinux",
		[BOOT_FIRMWARE] = "the board's firmware",
	};

	return names[l];
}

static bool file_is_there(struct host *h, const char *path)
{
	char c;

	return h->ops->read(h, path, &c, 1) >= 0;
}

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

static void add_line(
	struct boot *b, const struct source *s, const char *file, unsigned number, const char *rest)
{
	struct boot_line *l = &b->lines[b->line_count];

	if (b->line_count == BOOT_LINES_MAX || file_path(l->file, sizeof(l->file), "%s", file) < 0)
		return;
	l->loader = s->loader;
	l->number = number;
	(void)snprintf(l->key, sizeof(l->key), "%.*s", (int)strcspn(s->key, "=: "), s->key);
	l->words = take_words(rest);
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
	const char *entry; /* the booted entry of systemd-boot; "" for all entries */
};

static int read_name(void *arg, const char *name)
{
	struct reading *r = arg;
	char path[FILE_PATH_MAX];
	size_t n = strlen(r->entry);

	if (n && r->source->loader == BOOT_SYSTEMD && strncmp(name, r->entry, n) != 0)
		return 0;
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
	if (file_path(folder, sizeof(folder), "%.*s", (int)n - 1, s->path) == 0)
		(void)r->host->ops->list(r->host, folder, read_name, r);
}

/* An EFI variable of the Boot Loader Interface: four bytes of attributes, then UTF-16. */
static void read_variable(struct host *h, const char *name, char *buf, size_t size)
{
	char path[FILE_PATH_MAX], raw[512];
	size_t used = 0;

	buf[0] = '\0';
	if (file_path(path, sizeof(path), EFIVARS "/%s-" LOADER_GUID, name) < 0)
		return;
	ssize_t n = h->ops->read(h, path, raw, sizeof(raw));
	for (ssize_t i = 4; i + 1 < n && used + 1 < size && raw[i]; i += 2)
		buf[used++] = raw[i + 1] ? '?' : raw[i];
	buf[used] = '\0';
}

static bool has_line_of(const struct boot *b, enum boot_loader l)
{
	for (size_t i = 0; i < b->line_count; i++)
		if (b->lines[i].loader == l)
			return true;
	return false;
}

/* By the loader's EFI variable, else by its words on the command line, else by its files. */
static enum boot_loader find_loader(struct host *h, const struct boot *b)
{
	static const enum boot_loader by_files[] = {
		BOOT_GRUB, BOOT_SYSTEMD, BOOT_LIMINE, BOOT_EXTLINUX, BOOT_FIRMWARE};
	char info[64];

	read_variable(h, "LoaderInfo", info, sizeof(info));
	if (strncmp(info, "systemd-boot", 12) == 0)
		return BOOT_SYSTEMD;
	if (strncmp(info, "GRUB", 4) == 0)
		return BOOT_GRUB;
	if (strncasecmp(info, "limine", 6) == 0)
		return BOOT_LIMINE;
	/* The kernel's EFI stub loads the file of initrd=, an EFI path with backslashes. */
	if (b->booted && boot_has(b->booted, "initrd=\\", NULL, 0) && has_line_of(b, BOOT_SYSTEMD))
		return BOOT_SYSTEMD;
	if (b->booted && boot_has(b->booted, "BOOT_IMAGE=", NULL, 0) && has_line_of(b, BOOT_GRUB))
		return BOOT_GRUB;
	for (size_t i = 0; i < COUNT(by_files); i++)
		if (has_line_of(b, by_files[i]))
			return by_files[i];
	return BOOT_UNKNOWN;
}

static const char *find_tool(struct host *h, enum boot_loader l)
{
	bool proxmox = file_is_there(h, "/etc/kernel/proxmox-boot-uuids");

	if (proxmox && (l == BOOT_GRUB || l == BOOT_SYSTEMD))
		return "proxmox-boot-tool refresh";
	if (l == BOOT_GRUB && file_is_there(h, "/usr/sbin/update-grub"))
		return "update-grub";
	if (l == BOOT_GRUB && file_is_there(h, "/usr/sbin/grub2-mkconfig"))
		return "grub2-mkconfig -o /boot/grub2/grub.cfg";
	if (l == BOOT_GRUB)
		return "grub-mkconfig -o /boot/grub/grub.cfg";
	if (l == BOOT_SYSTEMD && file_is_there(h, "/etc/kernel/cmdline"))
		return "kernel-install add $(uname -r) /boot/vmlinuz-$(uname -r)";
	if (l == BOOT_LIMINE && file_is_there(h, "/etc/default/limine"))
		return "limine-update";
	return "";
}

void boot_read(struct host *h, struct boot *ret)
{
	struct reading r = {.host = h, .boot = ret};
	char entry[128];

	*ret = (struct boot){.tool = ""};
	if (host_read_all(h, "/proc/cmdline", &ret->booted) < 0)
		ret->booted = NULL;
	else
		ret->booted[strcspn(ret->booted, "\n")] = '\0';
	read_variable(h, "LoaderEntrySelected", entry, sizeof(entry));
	r.entry = entry;
	for (size_t i = 0; i < COUNT(sources); i++)
		read_source(&r, &sources[i]);
	ret->loader = find_loader(h, ret);
	ret->tool = find_tool(h, ret->loader);
}

void boot_fini(struct boot *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		free(b->lines[i].words);
	free(b->booted);
	*b = (struct boot){.tool = ""};
}

bool boot_next_word(const char **at, char *buf, size_t size)
{
	const char *word = *at + strspn(*at, " \t");
	size_t n = strcspn(word, " \t");

	*at = word + n;
	(void)snprintf(buf, size, "%.*s", (int)min_u64(n, size), word);
	return n > 0;
}

static char as_kernel(char c)
{
	return c == '-' ? '_' : c;
}

static bool word_matches(const char *got, const char *want)
{
	size_t n = strlen(want);
	bool front = n && (want[n - 1] == '=' || want[n - 1] == '\\');

	for (size_t i = 0; i < n; i++)
		if (as_kernel(got[i]) != as_kernel(want[i]))
			return false;
	return front || !got[n];
}

bool boot_has(const char *words, const char *word, char *ret, size_t size)
{
	char got[256];

	while (boot_next_word(&words, got, sizeof(got))) {
		if (!word_matches(got, word))
			continue;
		if (ret)
			(void)snprintf(ret, size, "%s", got);
		return true;
	}
	return false;
}

const struct boot_line *boot_line_with(const struct boot *b, const char *word)
{
	for (size_t i = 0; i < b->line_count; i++)
		if (b->lines[i].loader == b->loader && boot_has(b->lines[i].words, word, NULL, 0))
			return &b->lines[i];
	return NULL;
}

/* "; run update-grub and reboot" */
static void put_end(const struct boot *b, char *buf, size_t size)
{
	size_t n = strlen(buf);

	if (b->tool[0])
		(void)snprintf(buf + n, size - n, ", run '%s' and reboot", b->tool);
	else
		(void)snprintf(buf + n, size - n, " and reboot");
}

static void put_line(const struct boot_line *l, char *buf, size_t size)
{
	size_t n = strlen(buf);

	(void)snprintf(buf + n, size - n, "line %u of %s%s%s%s", l->number, l->file,
		l->key[0] ? " (" : "", l->key, l->key[0] ? ")" : "");
}

void boot_how_to_add(const struct boot *b, const char *word, char *buf, size_t size)
{
	for (size_t i = 0; i < b->line_count; i++) {
		if (b->lines[i].loader != b->loader)
			continue;
		(void)snprintf(buf, size, "add '%s' to ", word);
		put_line(&b->lines[i], buf, size);
		put_end(b, buf, size);
		return;
	}
	(void)snprintf(buf, size,
		"add '%s' to the kernel command line in your boot loader's configuration and "
		"reboot",
		word);
}

void boot_how_to_drop(const struct boot *b, const char *word, char *buf, size_t size)
{
	const struct boot_line *l = boot_line_with(b, word);

	if (!l) {
		(void)snprintf(buf, size,
			"remove '%s' from the kernel command line in the configuration of %s "
			"and reboot",
			word,
			b->loader == BOOT_UNKNOWN ? "your boot loader"
						  : boot_loader_name(b->loader));
		return;
	}
	(void)snprintf(buf, size, "remove '%s' from ", word);
	put_line(l, buf, size);
	put_end(b, buf, size);
}
