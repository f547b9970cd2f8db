/* SPDX-License-Identifier: MIT */
#include "libvirt/allow.h"

#include "base/err.h"
#include "host/host.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One line, cut into its words. */
struct line {
	struct pci_address device;
	const char *check, *domain;
};

static char *word_end(char *at)
{
	while (*at && !isspace((unsigned char)*at))
		at++;
	return at;
}

static char *blank_end(char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static void blank_cut(char *text)
{
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
}

/* Return: 1, 0 a line without words, -EINVAL. */
static int line_parse(char *text, struct line *ret)
{
	blank_cut(text);
	char *device = blank_end(text);
	if (!*device || *device == '#')
		return 0;
	char *after = word_end(device), *check = blank_end(after);
	*after = '\0';
	after = word_end(check);
	char *domain = blank_end(after);
	*after = '\0';
	*ret = (struct line){.check = check, .domain = domain};
	return *domain && pci_address_parse(device, &ret->device) == 0 ? 1 : -EINVAL;
}

/* The lines of the domain. */
struct lines {
	size_t count;
	struct line *list;
};

static int lines_read(
	char *text, const char *name, struct lines *ret, struct libvirt_allow *allow, struct err *e)
{
	unsigned number = 0;
	struct line one;
	char *rest = text, *at;

	while ((at = strsep(&rest, "\n"))) {
		number++;
		int r = line_parse(at, &one);
		if (r < 0 && !allow->wrong)
			allow->wrong = number;
		if (r <= 0 || strcmp(one.domain, name) != 0)
			continue;
		struct line *list = reallocarray(ret->list, ret->count + 1, sizeof(*list));
		if (!list)
			return err_set(e, -ENOMEM, "read " LIBVIRT_ALLOW_FILE);
		ret->list = list;
		list[ret->count++] = one;
	}
	return 0;
}

static bool lines_have(const struct lines *l, struct pci_address a, const char *check)
{
	for (size_t i = 0; i < l->count; i++)
		if (pci_address_equal(l->list[i].device, a) && strcmp(l->list[i].check, check) == 0)
			return true;
	return false;
}

static bool lines_cover(const struct lines *l, const struct libvirt_domain *d, const char *check)
{
	for (size_t i = 0; i < d->count; i++)
		if (!lines_have(l, d->devices[i].address, check))
			return false;
	return true;
}

static bool is_listed(const struct libvirt_allow *a, const char *check)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->checks[i], check) == 0)
			return true;
	return false;
}

int libvirt_allow_read(struct host *h, const char *path, const char *name,
	const struct libvirt_domain *d, struct libvirt_allow *ret, struct err *e)
{
	struct libvirt_allow found = {0};
	struct lines lines = {0};

	*ret = (struct libvirt_allow){0};
	ssize_t len = host_read_all(h, path, &found.text);
	if (len == -ENOENT)
		return 0;
	if (len < 0)
		return err_set(e, (int)len, "read %s", path);
	int r = lines_read(found.text, name, &lines, &found, e);
	for (size_t i = 0; r == 0 && i < lines.count && found.count < LIBVIRT_ALLOW_MAX; i++)
		if (!is_listed(&found, lines.list[i].check) &&
			lines_cover(&lines, d, lines.list[i].check))
			found.checks[found.count++] = lines.list[i].check;
	free(lines.list);
	if (r < 0)
		libvirt_allow_fini(&found);
	else
		*ret = found;
	return r;
}

void libvirt_allow_fini(struct libvirt_allow *a)
{
	free(a->text);
	*a = (struct libvirt_allow){0};
}
