/* SPDX-License-Identifier: MIT */
#include "engine/memlock.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "bind/owner.h"
#include "host/host.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>

static rlim_t smaller_of(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

static bool process_lives(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* Return: 0 with the limit of before in *@ret; -ESRCH: it was another process's, and is undone. */
static int limit_set(pid_t pid, int pidfd, const struct rlimit *now, struct rlimit *ret)
{
	struct rlimit before;

	if (prlimit(pid, RLIMIT_MEMLOCK, now, &before) < 0)
		return -errno;
	if (!process_lives(pidfd)) {
		(void)prlimit(pid, RLIMIT_MEMLOCK, &before, NULL);
		return -ESRCH;
	}
	*ret = before;
	return 0;
}

static void limit_lower(pid_t pid, int pidfd, const struct rlimit *to)
{
	struct rlimit now, before;

	if (!process_lives(pidfd) || prlimit(pid, RLIMIT_MEMLOCK, NULL, &now) < 0)
		return;
	now.rlim_cur = smaller_of(now.rlim_cur, to->rlim_cur);
	now.rlim_max = smaller_of(now.rlim_max, to->rlim_max);
	(void)limit_set(pid, pidfd, &now, &before);
}

static void note_remove(const char *folder)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/" MEMLOCK_FILE, folder) >= 0)
		(void)file_remove(path);
}

static int note_write(const struct memlock *m)
{
	char path[FILE_PATH_MAX], text[128];

	int r = file_path(path, sizeof(path), "%s/" MEMLOCK_FILE, m->folder);
	if (r < 0)
		return r;
	int len = snprintf(text, sizeof(text), "%d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		(int)m->pid, m->start, (uint64_t)m->before.rlim_cur, (uint64_t)m->before.rlim_max);
	return file_replace(path, text, (size_t)len, 0600);
}

/* RLIM_INFINITY is the largest value there is, so comparisons need no case for it. */
int memlock_raise(struct memlock *m, uint64_t bytes)
{
	const rlim_t wish = bytes == MEMLOCK_ANY ? RLIM_INFINITY : (rlim_t)bytes;

	m->raised = false;
	if (prlimit(m->pid, RLIMIT_MEMLOCK, NULL, &m->before) < 0)
		return -errno;
	if (m->before.rlim_cur >= wish)
		return 0;
	const struct rlimit now = {.rlim_cur = wish,
		.rlim_max = m->before.rlim_max > wish ? m->before.rlim_max : wish};
	int r = note_write(m);
	if (r < 0)
		return r;
	r = limit_set(m->pid, m->pidfd, &now, &m->before);
	if (r < 0)
		note_remove(m->folder);
	m->raised = r == 0;
	return r;
}

void memlock_put_back(struct memlock *m)
{
	if (!m->raised)
		return;
	limit_lower(m->pid, m->pidfd, &m->before);
	note_remove(m->folder);
	m->raised = false;
}

void memlock_put_back_noted(const char *folder)
{
	char path[FILE_PATH_MAX], text[128];
	uint64_t start, soft, hard;
	int pid;

	if (file_path(path, sizeof(path), "%s/" MEMLOCK_FILE, folder) < 0 ||
		file_read(path, text, sizeof(text)) <= 0)
		return;
	if (sscanf(text, "%9d %20" SCNu64 " %20" SCNu64 " %20" SCNu64, &pid, &start, &soft,
		    &hard) == 4) {
		const struct rlimit before = {.rlim_cur = soft, .rlim_max = hard};
		cleanup_fd int pidfd = fd_pidfd_open(pid);
		if (bind_owner_alive(host_live(), pid, start))
			limit_lower(pid, pidfd, &before);
	}
	note_remove(folder);
}
