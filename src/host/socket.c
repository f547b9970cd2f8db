/* SPDX-License-Identifier: MIT */
#include "host/socket.h"

#include "base/file.h"
#include "host/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A process of the list /proc, and one of its descriptors. */
struct search {
	struct host *host;
	char target[32]; /* "socket:[41523]" */
	const char *pid;
	bool blind; /* some process could not be looked at */
	struct host_holder *ret;
};

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int search_descriptor(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], target[64];

	if (file_path(path, sizeof(path), "/proc/%s/fd/%s", s->pid, name) < 0)
		return 0;
	ssize_t n = s->host->ops->link(s->host, path, target, sizeof(target));
	s->blind = s->blind || n == -EACCES || n == -EPERM;
	return n > 0 && strcmp(target, s->target) == 0;
}

static int search_process(void *arg, const char *pid)
{
	struct search *s = arg;
	struct host_holder *o = s->ret;
	char path[FILE_PATH_MAX];
	struct stat st;

	if (!is_number(pid) || file_path(path, sizeof(path), "/proc/%s/fd", pid) < 0)
		return 0;
	s->pid = pid;
	int r = s->host->ops->list(s->host, path, search_descriptor, s);
	s->blind = s->blind || r == -EACCES || r == -EPERM;
	if (r != 1)
		return 0;
	*o = (struct host_holder){.pid = (pid_t)strtol(pid, NULL, 10)};
	if (stat(path, &st) == 0)
		o->uid = st.st_uid;
	if (file_path(path, sizeof(path), "/proc/%s/comm", pid) == 0)
		(void)host_read_text(s->host, path, o->comm, sizeof(o->comm));
	return 1;
}

int socket_holder(struct host *live, uint64_t inode, struct host_holder *ret)
{
	struct search s = {.host = live, .ret = ret};

	(void)snprintf(s.target, sizeof(s.target), "socket:[%" PRIu64 "]", inode);
	int r = live->ops->list(live, "/proc", search_process, &s);
	if (r < 0)
		return r;
	return r == 1 ? 0 : s.blind ? -EACCES : -ENOENT;
}
