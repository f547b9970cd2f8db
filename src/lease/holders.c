/* SPDX-License-Identifier: MIT */
#include "lease/holders.h"

#include "base/file.h"
#include "base/num.h"
#include "engine/devices.h"
#include "host/host.h"

#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: a process is killed only if it has the very file open that the keeper has.
 *
 * All devices of VFIO have the same name in /proc/PID/fd. kcmp(2) compares two descriptors of two
 * processes: a descriptor that was handed over refers to the same open file as ours. A mapping
 * keeps the file open without a descriptor, and no call compares it; such a process is a holder
 * that nobody can be sure of, unless descriptors of other devices explain its mappings.
 */
#define DEVICE_LINK "anon_inode:[vfio-device]"

struct search {
	struct host *host;
	const struct open_devices *devices;
	struct holders *found;
	pid_t pid; /* whose descriptors are looked at */
	bool is_holder;
	bool has_others; /* it has devices of VFIO open that are not ours */
};

static bool file_is_ours(const struct search *s, int fd)
{
	for (size_t i = 0; i < s->devices->device_count; i++) {
		const int ours = s->devices->devices[i].vfio.fd;
		if (ours >= 0 && syscall(SYS_kcmp, getpid(), s->pid, KCMP_FILE, ours, fd) == 0)
			return true;
	}
	return false;
}

static int look_at_fd(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], link[64];
	uint64_t fd;

	if (num_parse(name, 10, INT32_MAX, &fd) < 0 ||
		file_path(path, sizeof(path), "/proc/%d/fd/%s", (int)s->pid, name) < 0)
		return 0;
	/* The name differs where a test plays the kernel, so it only tells which maps count. */
	if (s->host->ops->link(s->host, path, link, sizeof(link)) < 0)
		return 0;
	if (file_is_ours(s, (int)fd))
		s->is_holder = true;
	else if (strcmp(link, DEVICE_LINK) == 0)
		s->has_others = true;
	return s->is_holder;
}

static bool maps_device(const struct search *s)
{
	char path[FILE_PATH_MAX], *maps = NULL;

	if (file_path(path, sizeof(path), "/proc/%d/maps", (int)s->pid) < 0 ||
		host_read_all(s->host, path, &maps) < 0)
		return false;
	const bool found = strstr(maps, DEVICE_LINK) != NULL;
	free(maps);
	return found;
}

static void holder_add(const struct search *s)
{
	struct holders *all = s->found;
	char path[FILE_PATH_MAX], status[4096], *line;

	if (all->count++ >= HOLDERS_MAX)
		return;
	struct holder *h = &all->list[all->count - 1];
	*h = (struct holder){.pid = s->pid, .uid = (uid_t)-1, .unsure = !s->is_holder};
	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)s->pid) == 0)
		(void)host_read_text(s->host, path, h->comm, sizeof(h->comm));
	if (file_path(path, sizeof(path), "/proc/%d/status", (int)s->pid) < 0)
		return;
	ssize_t len = s->host->ops->read(s->host, path, status, sizeof(status) - 1);
	status[len > 0 ? len : 0] = '\0';
	line = strstr(status, "\nUid:");
	unsigned uid;
	if (line && sscanf(line, "\nUid: %u", &uid) == 1)
		h->uid = uid;
}

static int look_at_process(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX];
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) < 0 || (pid_t)pid == getpid() ||
		file_path(path, sizeof(path), "/proc/%s/fd", name) < 0)
		return 0;
	s->pid = (pid_t)pid;
	s->is_holder = s->has_others = false;
	(void)s->host->ops->list(s->host, path, look_at_fd, s);
	if (s->is_holder || (!s->has_others && maps_device(s)))
		holder_add(s);
	return 0;
}

void holders_find(struct host *h, const struct open_devices *d, struct holders *ret)
{
	struct search s = {.host = h, .devices = d, .found = ret};

	*ret = (struct holders){.count = 0};
	(void)h->ops->list(h, "/proc", look_at_process, &s);
}

static bool is_bus(const struct holder *h)
{
	return strncmp(h->comm, "dbus-", 5) == 0 || strcmp(h->comm, "usherd") == 0;
}

void holders_kill(const struct holders *s, uid_t user)
{
	for (size_t i = 0; i < s->count && i < HOLDERS_MAX; i++) {
		const struct holder *h = &s->list[i];
		if (h->unsure || h->pid <= 1 || h->uid == (uid_t)-1 || is_bus(h))
			continue;
		if (user == 0 || h->uid == user)
			(void)kill(h->pid, SIGKILL);
	}
}

const char *holders_format(const struct holders *s, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->count && i < HOLDERS_MAX && used < size; i++) {
		const struct holder *h = &s->list[i];
		char name[4 * sizeof(h->comm)];

		file_escape(name, sizeof(name), h->comm);
		int n = snprintf(buf + used, size - used, "%s'%s' (process %d%s)", i ? ", " : "",
			name, (int)h->pid, h->unsure ? ", perhaps" : "");
		used += n > 0 ? (size_t)n : 0;
	}
	return buf;
}
