/* SPDX-License-Identifier: MIT */
#include "image/loader.h"

#include "base/clean.h"
#include "base/num.h"
#include "image/grub.h"
#include "image/line.h"
#include "image/tree.h"
#include "image/version.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * The file system is the root of a system, or what is mounted at its /boot: paths of the second
 * begin below /boot, and so do those in its configuration. Each place is tried with both prefixes.
 * The first configuration whose kernel exists wins.
 */
#define CONFIG_MAX ((size_t)1 << 20)

static const char *const prefixes[] = {"/boot", ""};

static char *file_text(const struct tree *t, const char *prefix, const char *name)
{
	char path[ENTRY_PATH_MAX];
	char *text = NULL;

	if ((size_t)snprintf(path, sizeof(path), "%s%s", prefix, name) >= sizeof(path) ||
		t->ops->read(t->arg, path, CONFIG_MAX, &text) < 0)
		return NULL;
	return text;
}

/* Makes @path one of this file system: as it is, or below @prefix. Return: false if it is none. */
static bool path_resolve(const struct tree *t, const char *prefix, char path[ENTRY_PATH_MAX])
{
	char full[ENTRY_PATH_MAX];

	if (path[0] == '/' && t->ops->has_file(t->arg, path))
		return true;
	if ((size_t)snprintf(full, sizeof(full), "%s%s%s", prefix, path[0] == '/' ? "" : "/",
		    path) >= sizeof(full) ||
		!t->ops->has_file(t->arg, full))
		return false;
	(void)entry_copy(path, ENTRY_PATH_MAX, full);
	return true;
}

/* Return: 0; -ENOENT its kernel is gone, or one of its initial RAM disks. */
static int entry_accept(const struct tree *t, const char *prefix, const char *source,
	const char *name, struct boot_choice *c)
{
	struct boot_entry *b = &c->entry;

	if (!path_resolve(t, prefix, b->kernel))
		return -ENOENT;
	for (size_t i = 0; i < b->initrd_count; i++)
		if (!path_resolve(t, prefix, b->initrds[i]))
			return -ENOENT;
	(void)snprintf(c->source, sizeof(c->source), "%s%s", prefix, source);
	if (name)
		(void)snprintf(c->source, sizeof(c->source), "%s%s/%s", prefix, source, name);
	c->is_configured = true;
	return 0;
}

struct bls_search {
	const struct tree *tree;
	const char *folder; /* "/boot/loader/entries" */
	const struct variables *variables;
	const char *wanted; /* "": the newest */
	struct boot_entry best, next;
	char name[ENTRY_TITLE_MAX], version[ENTRY_TITLE_MAX]; /* of the best */
	bool found, is_wanted;
};

static bool bls_is_wanted(const char *wanted, const char *name)
{
	char stem[ENTRY_TITLE_MAX];

	(void)snprintf(stem, sizeof(stem), "%.*s", (int)strlen(name) - 5, name);
	return wanted[0] && (fnmatch(wanted, name, 0) == 0 || fnmatch(wanted, stem, 0) == 0);
}

static bool bls_is_better(
	const struct bls_search *s, bool is_wanted, const char *version, const char *name)
{
	if (!s->found || is_wanted != s->is_wanted)
		return !s->found || is_wanted;
	int order = version_compare(version, s->version);
	return order ? order > 0 : version_compare(name, s->name) > 0;
}

static void bls_consider(void *arg, const char *name)
{
	struct bls_search *s = arg;
	char version[ENTRY_TITLE_MAX];
	size_t len = strlen(name);

	if (len < 6 || len >= sizeof(s->name) || strcmp(name + len - 5, ".conf") != 0)
		return;
	char path[ENTRY_PATH_MAX] = "/";
	(void)entry_copy(path + 1, sizeof(path) - 1, name);
	cleanup_free char *text = file_text(s->tree, s->folder, path);
	bool is_wanted = bls_is_wanted(s->wanted, name);
	if (!text || bls_read(text, s->variables, &s->next, version) < 0 ||
		!bls_is_better(s, is_wanted, version, name))
		return;
	s->best = s->next;
	s->found = true;
	s->is_wanted = is_wanted;
	(void)entry_copy(s->name, sizeof(s->name), name);
	(void)entry_copy(s->version, sizeof(s->version), version);
}

static int bls_choose(const struct tree *t, const char *prefix, const struct variables *v,
	const char *wanted, struct boot_choice *c)
{
	cleanup_free struct bls_search *s = calloc(1, sizeof(*s));
	char folder[ENTRY_PATH_MAX];

	if (!s)
		return -ENOMEM;
	(void)snprintf(folder, sizeof(folder), "%s/loader/entries", prefix);
	*s = (struct bls_search){.tree = t, .folder = folder, .variables = v, .wanted = wanted};
	(void)t->ops->list(t->arg, folder, bls_consider, s);
	if (!s->found)
		return -ENOENT;
	c->entry = s->best;
	return entry_accept(t, prefix, "/loader/entries", s->name, c);
}

static void saved_load(
	const struct tree *t, const char *prefix, const char *folder, struct variables *v)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/grubenv", folder);
	cleanup_free char *text = file_text(t, prefix, name);
	if (text)
		variables_load(v, text);
}

static int grub_try(
	const struct tree *t, const char *prefix, const char *folder, struct boot_choice *c)
{
	cleanup_free struct variables *v = calloc(1, sizeof(*v));
	char name[64];
	bool bls = false;

	if (!v)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "%s/grub.cfg", folder);
	cleanup_free char *text = file_text(t, prefix, name);
	if (!text)
		return -ENOENT;
	saved_load(t, prefix, folder, v);
	int r = grub_choose(text, v, &c->entry, &bls);
	if (bls && bls_choose(t, prefix, v, variable_get(v, "default", 7), c) == 0)
		return 0;
	return r < 0 ? r : entry_accept(t, prefix, name, NULL, c);
}

static int extlinux_try(const struct tree *t, const char *prefix, struct boot_choice *c)
{
	static const char *const folders[] = {"/extlinux/", "/syslinux/", "/"};
	static const char *const files[] = {"extlinux.conf", "syslinux.cfg"};
	char name[64], folder[ENTRY_PATH_MAX];

	for (size_t i = 0; i < COUNT(folders) * COUNT(files); i++) {
		const char *in = folders[i / COUNT(files)];
		(void)snprintf(name, sizeof(name), "%s%s", in, files[i % COUNT(files)]);
		cleanup_free char *text = file_text(t, prefix, name);
		if (!text || extlinux_choose(text, &c->entry) < 0)
			continue;
		/* Relative paths begin in the folder of the configuration. */
		(void)snprintf(folder, sizeof(folder), "%s%.*s", prefix, (int)strlen(in) - 1, in);
		if (entry_accept(t, folder, "", NULL, c) == 0 ||
			entry_accept(t, prefix, "", NULL, c) == 0) {
			(void)snprintf(c->source, sizeof(c->source), "%s%s", prefix, name);
			return 0;
		}
	}
	return -ENOENT;
}

/* systemd-boot's, on a partition that it reads beside its own. */
static int entries_try(const struct tree *t, const char *prefix, struct boot_choice *c)
{
	cleanup_free struct variables *v = calloc(1, sizeof(*v));
	char wanted[ENTRY_TITLE_MAX] = "";
	size_t len;

	if (!v)
		return -ENOMEM;
	cleanup_free char *text = file_text(t, prefix, "/loader/loader.conf");
	const char *at = text ? strstr(text, "default ") : NULL;
	if (at && (at == text || at[-1] == '\n')) {
		at += 8 + strspn(at + 8, " \t");
		len = strcspn(at, " \t\r\n");
		(void)snprintf(wanted, sizeof(wanted), "%.*s", (int)len, at);
	}
	return bls_choose(t, prefix, v, wanted, c);
}

static int configured_choose(const struct tree *t, const char *prefix, struct boot_choice *c)
{
	static const char *const folders[] = {"/grub", "/grub2"};
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < COUNT(folders); i++)
		r = grub_try(t, prefix, folders[i], c);
	if (r == -ENOENT)
		r = entries_try(t, prefix, c);
	return r == -ENOENT ? extlinux_try(t, prefix, c) : r;
}

/* The initial RAM disk of the kernel "vmlinuz-SUFFIX", by the names of distributions. */
static void initrd_find(
	const struct tree *t, const char *prefix, const char *suffix, struct boot_entry *b)
{
	static const char *const forms[] = {"%s/initrd.img%s", "%s/initramfs%s.img",
		"%s/initramfs%s", "%s/initrd%s", "%s/initrd%s.img"};
	char *path = b->initrds[0];

	for (size_t i = 0; i < COUNT(forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		int n = snprintf(path, ENTRY_PATH_MAX, forms[i], prefix, suffix);
#pragma GCC diagnostic pop
		b->initrd_count = n < ENTRY_PATH_MAX && t->ops->has_file(t->arg, path);
		if (b->initrd_count)
			return;
	}
}

static const char *const kernel_names[] = {"vmlinuz", "vmlinux", "kernel", "bzImage"};

/* Return: what follows the name that a kernel has; NULL if @name is not one. */
static const char *kernel_suffix(const char *name)
{
	for (size_t i = 0; i < COUNT(kernel_names); i++) {
		size_t len = strlen(kernel_names[i]);
		if (strncmp(name, kernel_names[i], len) == 0 && name[len] == '-')
			return name + len;
	}
	return NULL;
}

struct newest {
	const struct tree *tree;
	const char *prefix;
	char name[ENTRY_TITLE_MAX];
};

static void newest_consider(void *arg, const char *name)
{
	struct newest *n = arg;
	const char *suffix = kernel_suffix(name), *best = kernel_suffix(n->name);
	char path[ENTRY_PATH_MAX];

	if (!suffix || strlen(name) >= sizeof(n->name) || strstr(name, "rescue") ||
		(best && version_compare(suffix, best) <= 0))
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", n->prefix, name);
	if (n->tree->ops->has_file(n->tree->arg, path))
		(void)entry_copy(n->name, sizeof(n->name), name);
}

/* /vmlinuz is a link to the kernel that the distribution prefers. */
static bool linked_choose(const struct tree *t, const char *prefix, struct boot_entry *b)
{
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(b->kernel, sizeof(b->kernel), "%s/%s", prefix, kernel_names[i]);
		if (!t->ops->has_file(t->arg, b->kernel))
			continue;
		initrd_find(t, prefix, "", b);
		return true;
	}
	return false;
}

static bool newest_choose(const struct tree *t, const char *prefix, struct boot_entry *b)
{
	struct newest n = {.tree = t, .prefix = prefix};

	(void)t->ops->list(t->arg, prefix[0] ? prefix : "/", newest_consider, &n);
	if (!n.name[0])
		return false;
	(void)snprintf(b->kernel, sizeof(b->kernel), "%s/%s", prefix, n.name);
	initrd_find(t, prefix, kernel_suffix(n.name), b);
	return true;
}

/* What the tools of the distribution would write into a configuration. */
static void options_find(const struct tree *t, struct boot_choice *c)
{
	char *options = c->entry.options;
	cleanup_free char *grub = file_text(t, "", "/etc/default/grub");
	cleanup_free char *line = file_text(t, "", "/etc/kernel/cmdline");

	if (line) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] && entry_copy(options, ENTRY_OPTIONS_MAX, line))
			(void)entry_copy(c->source, sizeof(c->source), "/etc/kernel/cmdline");
	} else if (grub && defaults_read(grub, options) == 0) {
		(void)entry_copy(c->source, sizeof(c->source), "/etc/default/grub");
	}
}

int loader_choose(const struct tree *t, struct boot_choice *ret)
{
	int r = -ENOENT;

	*ret = (struct boot_choice){0};
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		r = configured_choose(t, prefixes[i], ret);
		if (r != -ENOENT)
			return r;
	}
	*ret = (struct boot_choice){0};
	if (!linked_choose(t, "", &ret->entry) && !linked_choose(t, "/boot", &ret->entry) &&
		!newest_choose(t, "/boot", &ret->entry) && !newest_choose(t, "", &ret->entry))
		return -ENOENT;
	options_find(t, ret);
	return 0;
}

bool loader_is_root(const struct tree *t)
{
	static const char *const files[] = {
		"/etc/fstab", "/etc/os-release", "/usr/lib/os-release", "/sbin/init"};

	for (size_t i = 0; i < COUNT(files); i++)
		if (t->ops->has_file(t->arg, files[i]))
			return true;
	return false;
}
