/* SPDX-License-Identifier: MIT */
#include "bind/owner.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_FIELD_STATE 3 /* proc(5), /proc/PID/stat */
#define STAT_FIELD_START 22
#define DOMAIN_SHOWN 64
#define SPACE_FIRST 0xeffffffcu /* Ref: PROC_PID_INIT_INO, include/linux/proc_ns.h */

int bind_owner_start(struct host *h, pid_t pid, uint64_t *ret)
{
	char path[FILE_PATH_MAX];
	char buf[1024];

	int r = file_path(path, sizeof(path), "/proc/%d/stat", pid);
	if (r < 0)
		return r;
	r = host_read_text(h, path, buf, sizeof(buf));
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The second field is the name in brackets, and may hold blanks and brackets itself. */
	char *p = strrchr(buf, ')');
	if (!p)
		return -EINVAL;
	char *save = NULL;
	char *field = strtok_r(p + 1, " ", &save);
	for (int n = STAT_FIELD_STATE; field; n++, field = strtok_r(NULL, " ", &save)) {
		if (n == STAT_FIELD_STATE && (*field == 'Z' || *field == 'X'))
			return -ESRCH;
		if (n == STAT_FIELD_START)
			return num_parse(field, 10, UINT64_MAX, ret);
	}
	return -EINVAL;
}

static int users_read(struct host *h, pid_t pid, uid_t *ret_real, uid_t *ret_saved)
{
	char path[FILE_PATH_MAX], text[4096];
	unsigned real, saved;

	int r = file_path(path, sizeof(path), "/proc/%d/status", pid);
	if (r < 0)
		return r;
	ssize_t len = h->ops->read(h, path, text, sizeof(text) - 1);
	if (len < 0)
		return len == -ENOENT ? -ESRCH : (int)len;
	text[len] = '\0';
	const char *line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %u %*u %u", &real, &saved) != 2)
		return -EINVAL;
	*ret_real = real;
	*ret_saved = saved;
	return 0;
}

int bind_owner_user(struct host *h, pid_t pid, uid_t *ret)
{
	uid_t saved;

	return users_read(h, pid, ret, &saved);
}

bool bind_owner_is_of(struct host *h, pid_t pid, uid_t user)
{
	uid_t real, saved;

	return users_read(h, pid, &real, &saved) == 0 && (real == user || saved == user);
}

bool bind_owner_alive(struct host *h, pid_t pid, uint64_t start)
{
	uint64_t now;

	return pid > 0 && bind_owner_start(h, pid, &now) == 0 && now == start;
}

uint64_t bind_owner_space(struct host *h)
{
	char link[64];
	unsigned inode;

	if (h->ops->link(h, "/proc/self/ns/pid", link, sizeof(link)) < 0 ||
		sscanf(link, "pid:[%u]", &inode) != 1)
		return 0;
	return inode == SPACE_FIRST ? 0 : inode;
}

struct space_search {
	struct host *host;
	const struct bind_owner *owner;
};

/* "NSpid:\t812\t5": the ids of a process, from this namespace to its own. Return: 0 only one. */
static pid_t innermost_id(const char *status)
{
	const char *line = strstr(status, "\nNSpid:");
	int id = 0, n = 0, count = 0;

	line = line ? line + strlen("\nNSpid:") : "";
	for (; sscanf(line, "%d%n", &id, &n) == 1; count++)
		line += n;
	return count > 1 ? id : 0;
}

/* Return: 1 it is the owner, as a namespace above its own sees it. */
static int search_process(void *arg, const char *name)
{
	const struct space_search *s = arg;
	char path[FILE_PATH_MAX], text[4096];
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) < 0 ||
		file_path(path, sizeof(path), "/proc/%s/status", name) < 0)
		return 0;
	ssize_t n = s->host->ops->read(s->host, path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return innermost_id(text) == s->owner->pid &&
	       bind_owner_alive(s->host, (pid_t)pid, s->owner->start);
}

enum bind_owner_life bind_owner_look(struct host *h, const struct bind_owner *o)
{
	struct space_search s = {.host = h, .owner = o};

	if (bind_owner_alive(h, o->pid, o->start))
		return BIND_OWNER_ALIVE;
	uint64_t here = bind_owner_space(h);
	if (here == o->space)
		return BIND_OWNER_GONE;
	if (h->ops->list(h, "/proc", search_process, &s) == 1)
		return BIND_OWNER_ELSEWHERE;
	/* Only the first namespace sees the processes of all others. */
	return here ? BIND_OWNER_ELSEWHERE : BIND_OWNER_GONE;
}

bool bind_name_is_vfio(const char *name)
{
	return bind_name_ok(name) && strstr(name, "vfio");
}

bool bind_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= BIND_NAME_MAX || strcmp(name, "-") == 0)
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._+-", *p))
			return false;
	return true;
}

int bind_owner_self(const struct bind_env *env, const char *name, struct bind_owner *ret)
{
	struct bind_owner o = {.pid = getpid(), .space = bind_owner_space(env->host)};

	if (name && *name) {
		if (!bind_name_ok(name))
			return -EINVAL;
		(void)snprintf(o.name, sizeof(o.name), "%s", name);
	}
	int r = bind_owner_start(env->host, o.pid, &o.start);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}

int bind_owner_domain(const char *name, char ret[BIND_DOMAIN_MAX])
{
	size_t used = 0;

	if (!*name)
		return -EINVAL;
	for (const char *p = name; *p; p++) {
		bool plain = *p >= ' ' && *p < 0x7f && *p != '\\';
		if (used + (plain ? 1 : 4) >= BIND_DOMAIN_MAX)
			return -ENAMETOOLONG;
		used += (size_t)snprintf(ret + used, BIND_DOMAIN_MAX - used,
			plain ? "%c" : "\\x%02x", (unsigned char)*p);
	}
	return 0;
}

bool bind_owner_domain_ok(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= BIND_DOMAIN_MAX)
		return false;
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p >= 0x7f)
			return false;
	return true;
}

bool bind_owner_equal(const struct bind_owner *a, const struct bind_owner *b)
{
	return a->pid && a->pid == b->pid && a->start == b->start && a->space == b->space &&
	       strcmp(a->domain, b->domain) == 0;
}

/* A long name is cut: the process identifies it as well. */
static void domain_format(const struct bind_owner *o, char *buf, size_t size)
{
	bool is_long = strlen(o->domain) > DOMAIN_SHOWN;

	(void)snprintf(buf, size, "domain '%.*s%s' of libvirt (process %d)", DOMAIN_SHOWN,
		o->domain, is_long ? "..." : "", o->pid);
}

const char *bind_owner_format(const struct bind_owner *o, char *buf, size_t size)
{
	char exec[BIND_NAME_MAX];

	/* So `usher exec` calls what is no guest. */
	(void)snprintf(exec, sizeof(exec), "exec-%d", o->pid);
	if (o->domain[0])
		domain_format(o, buf, size);
	else if (strcmp(o->name, exec) == 0)
		(void)snprintf(buf, size, "a program of usher exec (process %d)", o->pid);
	else if (strncmp(o->name, BIND_OWNER_LEASE, strlen(BIND_OWNER_LEASE)) == 0)
		(void)snprintf(buf, size, "lease '%s' (process %d)",
			o->name + strlen(BIND_OWNER_LEASE), o->pid);
	else if (o->name[0])
		(void)snprintf(buf, size, "VM '%s' (process %d)", o->name, o->pid);
	else
		(void)snprintf(buf, size, "process %d", o->pid);
	return buf;
}
