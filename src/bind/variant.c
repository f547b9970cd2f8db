/* SPDX-License-Identifier: MIT */
#include "bind/variant.h"

#include "base/clean.h"
#include "base/file.h"
#include "bind/bind.h"
#include "host/host.h"
#include "host/modules.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The cache has lines as in modules.alias, below a line that names their source. */
static const char key[] = "vfio_pci:"; /* after "alias " */

/* "usher-variants 1 CHANGED PATH"; "" if the time of change is unknown. */
static void head_make(struct host *h, const char *path, char *buf, size_t size)
{
	int64_t changed = h->ops->changed(h, path);

	if (!changed || file_path(buf, size, "usher-variants 1 %" PRId64 " %s\n", changed, path))
		buf[0] = '\0';
}

/* Reads the cache if it is valid, otherwise @path; *@ret is the caller's to free(). */
static ssize_t aliases_read_from(const struct bind_env *env, const char *path, char **ret)
{
	char cache[FILE_PATH_MAX], head[FILE_PATH_MAX + 64];

	head_make(env->host, path, head, sizeof(head));
	if (head[0] && file_path(cache, sizeof(cache), "%s/variants", env->state) == 0 &&
		host_read_all(env->host, cache, ret) >= 0) {
		if (strncmp(*ret, head, strlen(head)) == 0)
			return (ssize_t)strlen(*ret);
		free(*ret);
		*ret = NULL;
	}
	return host_read_all(env->host, path, ret);
}

/* The same for modules.alias, wherever this distribution keeps it. */
static ssize_t aliases_read(const struct bind_env *env, char path[FILE_PATH_MAX], char **ret)
{
	ssize_t n = -ENOENT;

	for (unsigned i = 0; n == -ENOENT; i++) {
		int r = host_modules_path(env->host, i, "modules.alias", path, FILE_PATH_MAX);
		if (r < 0)
			return r;
		n = aliases_read_from(env, path, ret);
	}
	return n;
}

/* Lower is better: a pattern with fewer wildcards says more about the device. */
static size_t pattern_wildcards(const char *pattern)
{
	size_t n = 0;

	for (; *pattern; pattern++)
		n += *pattern == '*' || *pattern == '?';
	return n;
}

/* "vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci" */
static size_t weigh_line(char *line, const char *modalias, const char **ret_module)
{
	char *save = NULL;
	const char *pattern = strtok_r(line + strlen(key), " ", &save);
	const char *module = strtok_r(NULL, " ", &save);

	if (!pattern || !module || strcmp(module, "vfio_pci") == 0 ||
		fnmatch(pattern, modalias, 0) != 0)
		return SIZE_MAX;
	*ret_module = module;
	return pattern_wildcards(pattern);
}

int bind_variant_find(const struct bind_env *env, const char *modalias, char *ret, size_t size)
{
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX];
	size_t best = SIZE_MAX;

	ssize_t len = aliases_read(env, path, &text);
	if (len < 0)
		return (int)len;
	modalias = strncmp(modalias, "pci:", 4) == 0 ? modalias + 4 : modalias;
	for (char *line = strstr(text, key); line;) {
		char *end = strchr(line, '\n');
		const char *module = NULL;
		if (end)
			*end = '\0';
		size_t weight = weigh_line(line, modalias, &module);
		if (weight < best && (size_t)snprintf(ret, size, "%s", module) < size)
			best = weight;
		line = end ? strstr(end + 1, key) : NULL;
	}
	return best == SIZE_MAX ? -ENOENT : 0;
}

static void cache_write(const char *cache, const char *head, const char *text)
{
	size_t len = 0;
	char *lines = NULL;
	FILE *f = open_memstream(&lines, &len);

	if (!f)
		return;
	(void)fputs(head, f);
	for (const char *line = strstr(text, key); line; line = strstr(line + 1, key))
		(void)fprintf(f, "alias %.*s\n", (int)strcspn(line, "\n"), line);
	if (fclose(f) == 0)
		(void)file_replace(cache, lines, len, 0644);
	free(lines);
}

/* True if the cache is of @path as it is now, or cannot be. */
static bool cache_is_done(const struct bind_env *env, const char *cache, const char *head)
{
	cleanup_free char *old = NULL;

	return !head[0] || (host_read_all(env->host, cache, &old) >= 0 &&
				   strncmp(old, head, strlen(head)) == 0);
}

void bind_variant_cache(const struct bind_env *env)
{
	char path[FILE_PATH_MAX], cache[FILE_PATH_MAX], head[FILE_PATH_MAX + 64];

	if (file_path(cache, sizeof(cache), "%s/variants", env->state) < 0)
		return;
	for (unsigned i = 0;
		host_modules_path(env->host, i, "modules.alias", path, sizeof(path)) == 0; i++) {
		cleanup_free char *text = NULL;

		head_make(env->host, path, head, sizeof(head));
		if (!head[0])
			continue; /* it does not exist */
		if (!cache_is_done(env, cache, head) && host_read_all(env->host, path, &text) >= 0)
			cache_write(cache, head, text);
		return;
	}
}
