/* SPDX-License-Identifier: MIT */
#include "check/modprobe.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootwords.h"
#include "host/host.h"
#include "host/modules.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 4096 /* a distribution has some hundred */

struct reading {
	struct host *host;
	struct modprobe *m;
	const char *folder;
};

void modprobe_name(char *text)
{
	for (; *text; text++)
		if (*text == '-')
			*text = '_';
}

static void take_line(struct modprobe *m, const char *file, unsigned number, const char *line)
{
	struct modprobe_line l = {.number = number};

	if (!boot_next_word(&line, l.verb, sizeof(l.verb)) || l.verb[0] == '#' ||
		!boot_next_word(&line, l.module, sizeof(l.module)) || m->count == LINES_MAX)
		return;
	modprobe_name(l.module);
	if (file_path(l.file, sizeof(l.file), "%s", file) < 0)
		return;
	if (!m->count || is_pow2(m->count)) {
		struct modprobe_line *list =
			reallocarray(m->list, m->count ? 2 * m->count : 1, sizeof(*list));
		if (!list)
			return;
		m->list = list;
	}
	l.rest = strdup(line + strspn(line, " \t"));
	if (l.rest)
		m->list[m->count++] = l;
}

/* A name without a dot is meant to be read; others are copies that a person or a tool keeps. */
static void unread_note(struct reading *r, const char *name)
{
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX];

	if (r->m->unread[0] || strchr(name, '.') || strchr(name, '~') ||
		file_path(path, sizeof(path), "%s/%s", r->folder, name) < 0 ||
		host_read_all(r->host, path, &text) < 0)
		return;
	if (strstr(text, "vfio-pci") || strstr(text, "vfio_pci"))
		(void)file_path(r->m->unread, sizeof(r->m->unread), "%s", path);
}

static int read_name(void *arg, const char *name)
{
	struct reading *r = arg;
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX];
	const char *dot = strrchr(name, '.');
	unsigned number = 0;

	if (!dot || strcmp(dot, ".conf") != 0) {
		unread_note(r, name);
		return 0;
	}
	if (file_path(path, sizeof(path), "%s/%s", r->folder, name) < 0 ||
		host_read_all(r->host, path, &text) < 0)
		return 0;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		take_line(r->m, path, ++number, line);
	}
	return 0;
}

static int line_order(const void *a, const void *b)
{
	const struct modprobe_line *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

void modprobe_read(struct host *h, struct modprobe *ret)
{
	static const char *const folders[] = {"/etc/modprobe.d", "/run/modprobe.d",
		"/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"};
	struct reading r = {.host = h, .m = ret};
	char target[FILE_PATH_MAX];

	*ret = (struct modprobe){0};
	for (size_t i = 0; i < COUNT(folders); i++) {
		/* If /lib is a link to /usr/lib, both names are the same files. */
		if (strncmp(folders[i], "/lib/", 5) == 0 &&
			h->ops->link(h, "/lib", target, sizeof(target)) > 0)
			continue;
		r.folder = folders[i];
		(void)h->ops->list(h, folders[i], read_name, &r);
	}
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), line_order);
}

void modprobe_fini(struct modprobe *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->list[i].rest);
	free(m->list);
	free(m->builtin);
	free(m->loadable);
	*m = (struct modprobe){0};
}

const struct modprobe_line *modprobe_next(
	const struct modprobe *m, size_t *at, const char *verb, const char *module)
{
	while (*at < m->count) {
		const struct modprobe_line *l = &m->list[(*at)++];

		if (strcmp(l->verb, verb) == 0 && strcmp(l->module, module) == 0)
			return l;
	}
	return NULL;
}

bool modprobe_value(const char *words, const char *key, char *buf, size_t size)
{
	char want[96], got[256];

	(void)snprintf(want, sizeof(want), "%s=", key);
	if (!boot_has(words, want, got, sizeof(got)))
		return false;
	(void)snprintf(buf, size, "%s", got + strlen(want));
	return true;
}

/* Whether a list of paths, one a line, has ".../MODULE.ko" or the like. */
static bool list_has(const char *text, const char *module)
{
	size_t n = strlen(module);

	for (const char *p = text; (p = strchr(p, '/'));) {
		size_t i = 0;

		p++;
		while (i < n && (p[i] == '-' ? '_' : p[i]) == module[i])
			i++;
		if (i == n && strncmp(p + n, ".ko", 3) == 0)
			return true;
	}
	return false;
}

static void read_lists(struct host *h, struct modprobe *m)
{
	char path[FILE_PATH_MAX];

	m->has_lists = true;
	if (host_modules_read(h, "modules.builtin", path, sizeof(path), &m->builtin) < 0)
		m->builtin = NULL;
	if (host_modules_read(h, "modules.dep", path, sizeof(path), &m->loadable) < 0)
		m->loadable = NULL;
	else
		(void)snprintf(m->folder, sizeof(m->folder), "%.*s",
			(int)(file_base(path) - path - 1), path);
}

enum modprobe_presence modprobe_presence(struct host *h, struct modprobe *m, const char *module)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s", module);
	modprobe_name(name);
	if (!m->has_lists)
		read_lists(h, m);
	if (m->builtin && list_has(m->builtin, name))
		return MODPROBE_BUILTIN;
	if (m->loadable && list_has(m->loadable, name))
		return MODPROBE_LOADABLE;
	/* Without modules.dep, the other list alone says nothing about what it does not have. */
	return m->loadable ? MODPROBE_ABSENT : MODPROBE_UNKNOWN;
}
