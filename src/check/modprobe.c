/* SPDX-License-Identifier: MIT */
#include "check/modprobe.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootwords.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 4096 /* a distribution has some hundred */

struct reading {
	struct host *host;
	struct modprobe *m;
	const char *folder;
};

/* "vfio-pci" and "vfio_pci" are one module. */
static void name_underscores(char *text)
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
	name_underscores(l.module);
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

static int read_name(void *arg, const char *name)
{
	struct reading *r = arg;
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX];
	const char *dot = strrchr(name, '.');
	unsigned number = 0;

	if (!dot || strcmp(dot, ".conf") != 0 ||
		file_path(path, sizeof(path), "%s/%s", r->folder, name) < 0 ||
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

enum modprobe_presence modprobe_presence(struct host *h, const char *module)
{
	static const struct {
		const char *file;
		enum modprobe_presence found;
	} lists[] = {
		{"modules.builtin", MODPROBE_BUILTIN},
		{"modules.dep", MODPROBE_LOADABLE},
	};
	char release[128], path[FILE_PATH_MAX];
	bool known = false;

	if (host_read_text(h, "/proc/sys/kernel/osrelease", release, sizeof(release)) < 0)
		return MODPROBE_UNKNOWN;
	for (size_t i = 0; i < COUNT(lists); i++) {
		cleanup_free char *text = NULL;

		if (file_path(path, sizeof(path), "/lib/modules/%s/%s", release, lists[i].file) <
				0 ||
			host_read_all(h, path, &text) < 0)
			continue;
		known = true;
		if (list_has(text, module))
			return lists[i].found;
	}
	return known ? MODPROBE_ABSENT : MODPROBE_UNKNOWN;
}
