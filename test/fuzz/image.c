/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a boot loader in the image of a disk, of any content: what is chosen is a
 * kernel that is there, and its words are bound.
 *
 * Input: 1 byte which files exist, 1 byte for their places; then the texts of up to four files,
 * with a byte 0x01 between them: the configuration, GRUB's saved variables, another configuration,
 * and the names in each folder.
 *
 * covers: src/image/entry.c src/image/grub.c src/image/line.c src/image/loader.c
 * src/image/script.c src/image/variable.c src/image/version.c
 */
#include "image/loader.h"
#include "image/tree.h"
#include "image/version.h"
#include "require.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXTS_MAX 4

struct paper {
	uint8_t exists, place;
	char *texts[TEXTS_MAX];
};

static const char *const configs[] = {"/boot/grub/grub.cfg", "/grub2/grub.cfg",
	"/boot/extlinux/extlinux.conf", "/syslinux.cfg", "/loader/loader.conf",
	"/boot/loader/loader.conf", "/etc/kernel/cmdline", "/etc/default/grub"};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), more = strlen(end);

	return len >= more && strcmp(text + len - more, end) == 0;
}

static char *text_of(const struct paper *p, const char *path)
{
	if (strcmp(path, configs[p->place % 8]) == 0)
		return p->texts[0];
	if (ends_with(path, "/grubenv"))
		return p->texts[1];
	if (strcmp(path, configs[p->place / 8 % 8]) == 0 || ends_with(path, ".conf"))
		return p->texts[2];
	return NULL;
}

static int paper_read(void *arg, const char *path, size_t max, char **ret)
{
	const char *text = text_of(arg, path);

	require(strlen(path) < ENTRY_PATH_MAX, "a path is one");
	if (!text)
		return -ENOENT;
	if (strlen(text) > max)
		return -EFBIG;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* By the length of the path, so that some do not exist. */
static bool paper_has(void *arg, const char *path)
{
	const struct paper *p = arg;

	require(strlen(path) < ENTRY_PATH_MAX, "a path is one");
	return path[0] == '/' && (p->exists >> (strlen(path) % 8)) & 1;
}

static int paper_list(
	void *arg, const char *path, void (*each)(void *to, const char *name), void *to)
{
	const struct paper *p = arg;
	char *names = p->texts[3] ? strdup(p->texts[3]) : NULL, *save = NULL;

	(void)path;
	for (char *n = names ? strtok_r(names, "\n/", &save) : NULL; n;
		n = strtok_r(NULL, "\n/", &save))
		each(to, n);
	free(names);
	return 0;
}

static const struct tree_ops ops = {.read = paper_read, .has_file = paper_has, .list = paper_list};

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void require_choice(struct paper *p, const struct boot_choice *c)
{
	const struct boot_entry *b = &c->entry;

	require(is_text(b->kernel, sizeof(b->kernel)) && is_text(b->options, sizeof(b->options)) &&
			is_text(b->title, sizeof(b->title)) &&
			is_text(c->source, sizeof(c->source)),
		"texts end");
	require(b->kernel[0] && paper_has(p, b->kernel), "the kernel is there");
	require(b->initrd_count <= ENTRY_INITRDS_MAX, "initial RAM disks are bound");
	for (size_t i = 0; i < b->initrd_count; i++)
		require(is_text(b->initrds[i], sizeof(b->initrds[i])) &&
				paper_has(p, b->initrds[i]),
			"initial RAM disks are there");
	require(!c->is_configured || c->source[0], "a configuration has a name");
	require(!strchr(b->kernel, '(') || b->kernel[0] != '(', "no path has GRUB's device");
}

/* An order of all names has no circle of two, and a name equals itself. */
static void check_versions(const char *a, const char *b)
{
	int order = version_compare(a, b), back = version_compare(b, a);

	require((order > 0) == (back < 0) && (order == 0) == (back == 0), "an order is one");
	require(version_compare(a, a) == 0, "a version equals itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_choice once, again;
	struct paper p = {0};
	const struct tree t = {.ops = &ops, .arg = &p};
	size_t count = 0;

	if (size < 2)
		return 0;
	p.exists = data[0];
	p.place = data[1];
	char *copy = malloc(size - 1), *at = copy;
	memcpy(copy, data + 2, size - 2);
	copy[size - 2] = '\0';
	while (at && count < TEXTS_MAX)
		p.texts[count++] = strsep(&at, "\x01");
	int r = loader_choose(&t, &once);
	require(r == 0 || r == -ENOENT, "a choice, or none");
	if (r == 0)
		require_choice(&p, &once);
	require(loader_choose(&t, &again) == r &&
			(r < 0 || strcmp(once.entry.options, again.entry.options) == 0),
		"the same files have the same kernel");
	(void)loader_is_root(&t);
	if (p.texts[1] && p.texts[0])
		check_versions(p.texts[0], p.texts[1]);
	free(copy);
	return 0;
}
