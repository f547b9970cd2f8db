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
 * processes: a descriptor that was handed over refers to the same open file as ours.
 *
 * Two ways to keep a file open show no descriptor: a mapping, and a message in a socket that
 * carries one (SCM_RIGHTS). No call compares these. So the keeper closes its own descriptors and
 * asks the kernel for the group; only if somebody has it does it guess who. Of the guessed ones it
 * kills the borrower's process alone: the others may have devices or messages of somebody else.
 */
#define DEVICE_LINK "anon_inode:[vfio-device]"
#define SOCKET_LINK "socket:["

struct search {
	struct host *host;
	const struct open_devices *devices;
	struct holders *found;
	uid_t user; /* whose processes are killed */
	pid_t pid; /* whose descriptors are looked at */
	bool is_holder;
	/* For a guess. */
	bool has_devices; /* it has devices of VFIO open, which explain its mappings */
	bool has_messages; /* that carry descriptors */
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

/* Where a test plays the kernel, a device has another name than VFIO's. */
static int look_at_fd(void *arg, const char *name)
{
	struct search *s = arg;
	uint64_t fd;

	if (num_parse(name, 10, INT32_MAX, &fd) == 0 && file_is_ours(s, (int)fd))
		s->is_holder = true;
	return s->is_holder;
}

/* "scm_fds: 1" in its fdinfo. */
static bool socket_has_descriptors(const struct search *s, const char *fd)
{
	char path[FILE_PATH_MAX], text[512] = "";
	uint64_t count = 0;

	if (file_path(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)s->pid, fd) < 0 ||
		host_read_text(s->host, path, text, sizeof(text)) < 0)
		return false;
	char *line = strstr(text, "scm_fds:");
	if (!line)
		return false;
	line += strlen("scm_fds:");
	line += strspn(line, " \t");
	line[strcspn(line, "\n")] = '\0';
	return num_parse(line, 10, UINT32_MAX, &count) == 0 && count > 0;
}

static int guess_at_fd(void *arg, const char *name)
{
	struct search *s = arg;
	char path[FILE_PATH_MAX], link[64];

	if (file_path(path, sizeof(path), "/proc/%d/fd/%s", (int)s->pid, name) < 0 ||
		s->host->ops->link(s->host, path, link, sizeof(link)) < 0)
		return 0;
	if (strcmp(link, DEVICE_LINK) == 0)
		s->has_devices = true;
	else if (strncmp(link, SOCKET_LINK, strlen(SOCKET_LINK)) == 0 &&
		 socket_has_descriptors(s, name))
		s->has_messages = true;
	return 0;
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

static bool process_begin(struct search *s, pid_t pid, char path[FILE_PATH_MAX])
{
	s->pid = pid;
	s->is_holder = s->has_devices = s->has_messages = false;
	return pid != getpid() && file_path(path, FILE_PATH_MAX, "/proc/%d/fd", (int)pid) >= 0;
}

static bool process_holds(struct search *s, pid_t pid)
{
	char path[FILE_PATH_MAX];

	if (!process_begin(s, pid, path))
		return false;
	(void)s->host->ops->list(s->host, path, look_at_fd, s);
	return s->is_holder;
}

static bool process_may_hold(struct search *s, pid_t pid)
{
	char path[FILE_PATH_MAX];

	if (!process_begin(s, pid, path))
		return false;
	(void)s->host->ops->list(s->host, path, guess_at_fd, s);
	return s->has_messages || (!s->has_devices && maps_device(s));
}

static int look_at_process(void *arg, const char *name)
{
	struct search *s = arg;
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) == 0 && process_holds(s, (pid_t)pid))
		holder_add(s);
	return 0;
}

static int guess_at_process(void *arg, const char *name)
{
	struct search *s = arg;
	uint64_t pid;

	if (num_parse(name, 10, INT32_MAX, &pid) == 0 && process_may_hold(s, (pid_t)pid))
		holder_add(s);
	return 0;
}

void holders_find(struct host *h, const struct open_devices *d, struct holders *ret)
{
	struct search s = {.host = h, .devices = d, .found = ret};

	*ret = (struct holders){.count = 0};
	(void)h->ops->list(h, "/proc", look_at_process, &s);
}

void holders_guess(struct host *h, struct holders *ret)
{
	struct search s = {.host = h, .found = ret};

	*ret = (struct holders){.count = 0};
	(void)h->ops->list(h, "/proc", guess_at_process, &s);
}

void holders_kill_owner(const struct holders *s, pid_t owner, int pidfd)
{
	for (size_t i = 0; pidfd >= 0 && i < s->count && i < HOLDERS_MAX; i++)
		if (s->list[i].pid == owner)
			(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
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
	if (pidfd >= 0 && process_holds(s, (pid_t)pid) && may_be_killed(s))
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
