/* SPDX-License-Identifier: MIT */
/* When files changed, in a snapshot: "time SECONDS PATH". */
#include "base/num.h"
#include "host/manifest_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMES_MAX 4096

int manifest_time_add(struct manifest *m, const char *path, int64_t seconds)
{
	struct manifest_time *list = reallocarray(m->times, m->time_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->times = list;
	list[m->time_count] = (struct manifest_time){strdup(path), seconds};
	if (!list[m->time_count].path)
		return -ENOMEM;
	m->time_count++;
	return 0;
}

const struct manifest_time *manifest_time_find(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->time_count; i++)
		if (strcmp(m->times[i].path, path) == 0)
			return &m->times[i];
	return NULL;
}

int manifest_parse_time(struct manifest *m, char *rest)
{
	uint64_t seconds;

	if (manifest_number_take(&rest, ' ', INT64_MAX, &seconds) < 0 || *rest != '/')
		return -EINVAL;
	size_t size = sizeof(*m->times) + strlen(rest) + 1;
	if (size > m->budget || m->time_count == TIMES_MAX)
		return -ENOMEM;
	m->budget -= size;
	return manifest_time_add(m, rest, (int64_t)seconds);
}

void manifest_times_free(struct manifest *m)
{
	for (size_t i = 0; i < m->time_count; i++)
		free(m->times[i].path);
	free(m->times);
}
