/* SPDX-License-Identifier: MIT */
#include "lease/holders.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/owner.h"
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
	uid_t user; /* whose processes are killed */
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
	char path[FILE_PATH_MAX];

	if (all->count++ >= HOLDERS_MAX)
		return;
	struct holder *h = &all->list[all->count - 1];
	*h = (struct holder){.pid = s->pid, .unsure = !s->is_holder};
	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)s->pid) == 0)
		(void)host_read_text(s->host, path, h->comm, sizeof(h->comm));
}

/* Whether it has a device open; @s->is_holder: for sure. */
static bool process_holds(struct search *s, pid_t pid)
{
	char path[FILE_PATH_MAX];

	if (pid == getpid() || file_path(path, sizeof(path), "/proc/%d/fd", (int)pid) < 0)
		return false;
	s->pid = pid;
	s->is_holder = s->has_others = false;
	(void)s->host->ops->list(s->host, path, look_at_fd, s);
	return s->is_holder || (!s->has_others && maps_device(s));
}

static int look_at_process(void *arg, const char *name)
{
	struct search *s = arg;
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) == 0 && process_holds(s, (pid_t)pid))
		holder_add(s);
	return 0;
}

void holders_find(struct host *h, const struct open_devices *d, struct holders *ret)
{
	struct search s = {.host = h, .devices = d, .found = ret};

	*ret = (struct holders){.count = 0};
	(void)h->ops->list(h, "/proc", look_at_process, &s);
}

/* The bus of the host, or usherd, which has descriptors on their way to a borrower. */
static bool is_bus(struct host *h, pid_t pid)
{
	char path[FILE_PATH_MAX], comm[17] = "";

	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)pid) == 0)
		(void)host_read_text(h, path, comm, sizeof(comm));
	return strncmp(comm, "dbus-", 5) == 0 || strcmp(comm, "usherd") == 0;
}

/* Any process may give itself the name of the bus, so an ordinary user's name does not count. */
static bool may_be_killed(const struct search *s)
{
	uid_t uid;

	if (s->pid <= 1 || bind_owner_user(s->host, s->pid, &uid) < 0)
		return false;
	return s->user ? uid == s->user : !is_bus(s->host, s->pid);
}

/* The pidfd first: if the id is another process's later, the signal still does not reach that. */
static int kill_process(void *arg, const char *name)
{
	struct search *s = arg;
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) < 0)
		return 0;
	cleanup_fd int pidfd = fd_pidfd_open((pid_t)pid);
	if (pidfd >= 0 && process_holds(s, (pid_t)pid) && s->is_holder && may_be_killed(s))
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return 0;
}

void holders_kill(struct host *h, const struct open_devices *d, uid_t user)
{
	struct search s = {.host = h, .devices = d, .user = user};

	(void)h->ops->list(h, "/proc", kill_process, &s);
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
