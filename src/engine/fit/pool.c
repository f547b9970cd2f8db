/* SPDX-License-Identifier: MIT */
#include "engine/fit/pool.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 1024
#define STATUS_MAX 8192
#define NODES "/sys/devices/system/node/node"
#define CGROUPS "/sys/fs/cgroup"

/* The value of "Mems_allowed_list:", such as "0-1,3". */
static const char *allowed_nodes(struct host *h, char text[STATUS_MAX])
{
	static const char key[] = "\nMems_allowed_list:";

	if (host_read_text(h, "/proc/self/status", text, STATUS_MAX) < 0)
		return NULL;
	char *at = strstr(text, key);
	if (!at)
		return NULL;
	at += sizeof(key) - 1;
	at += strspn(at, " \t");
	at[strcspn(at, "\n")] = '\0';
	return at;
}

/* Adds what is free on the node. Return: whether the host has it. */
static bool node_add(struct host *h, unsigned long node, uint64_t size, uint64_t *pages)
{
	char path[FILE_PATH_MAX];
	uint64_t n;

	if (file_path(path, sizeof(path),
		    NODES "%lu/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", node,
		    size >> 10) < 0 ||
		host_read_number(h, path, &n) < 0)
		return false;
	*pages += n;
	return true;
}

static void limit_by_nodes(struct host *h, struct pool *p)
{
	char text[STATUS_MAX];
	const char *list = allowed_nodes(h, text), *at = list;
	uint64_t pages = 0;
	bool any = false;

	while (at && *at) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long n = first; n <= last && n < NODES_MAX; n++)
			any |= node_add(h, n, p->size, &pages);
		at = *end == ',' ? end + 1 : NULL;
	}
	if (!any || pages >= p->pages)
		return;
	p->pages = pages;
	(void)snprintf(p->limit, sizeof(p->limit),
		"are free on the NUMA nodes that it may use, %.32s", list);
}

/* "2MB", "1GB": as the kernel names the files. */
static void size_format(uint64_t size, char buf[24])
{
	if (size >= GIB(1))
		(void)snprintf(buf, 24, "%" PRIu64 "GB", size >> 30);
	else
		(void)snprintf(buf, 24, "%" PRIu64 "MB", size >> 20);
}

static int read_bytes(
	struct host *h, const char *cgroup, const char *size, const char *what, uint64_t *ret)
{
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), CGROUPS "%s/hugetlb.%s.%s", cgroup, size, what);
	return r < 0 ? r : host_read_number(h, path, ret); /* "max" is no number, and no limit */
}

/* The limit of a cgroup holds for all below it. */
static void limit_by_cgroups(struct host *h, struct pool *p)
{
	char text[FILE_PATH_MAX], size[24];

	if (host_read_text(h, "/proc/self/cgroup", text, sizeof(text)) < 0)
		return;
	char *cgroup = strstr(text, "0::/");
	if (!cgroup || (cgroup != text && cgroup[-1] != '\n'))
		return;
	cgroup += strlen("0::");
	cgroup[strcspn(cgroup, "\n")] = '\0';
	size_format(p->size, size);
	for (; *cgroup; file_step_up(cgroup)) {
		uint64_t most, used;
		if (read_bytes(h, cgroup, size, "max", &most) < 0 ||
			read_bytes(h, cgroup, size, "current", &used) < 0)
			continue;
		uint64_t left = most > used ? (most - used) / p->size : 0;
		if (left >= p->pages)
			continue;
		p->pages = left;
		(void)snprintf(p->limit, sizeof(p->limit),
			"are left to the cgroup %.48s (hugetlb.%s.max)", cgroup, size);
	}
}

void pool_limit(struct host *h, struct pool *p)
{
	limit_by_nodes(h, p);
	limit_by_cgroups(h, p);
}
