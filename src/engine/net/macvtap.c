/* SPDX-License-Identifier: MIT */
#include "engine/net/macvtap.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Of programs that we may look into. */
static bool process_has_open(const char *pid, const char *path)
{
	char folder[FILE_PATH_MAX], link[FILE_PATH_MAX], target[FILE_PATH_MAX];
	const struct dirent *entry;

	if (file_path(folder, sizeof(folder), "/proc/%s/fd", pid) < 0)
		return false;
	cleanup_dir DIR *d = opendir(folder);
	while (d && (entry = readdir(d))) {
		if (file_path(link, sizeof(link), "%s/%s", folder, entry->d_name) < 0)
			continue;
		const ssize_t len = readlink(link, target, sizeof(target) - 1);
		if (len > 0 && (target[len] = '\0', strcmp(target, path) == 0))
			return true;
	}
	return false;
}

/* Return: the process; 0: none that we may look into. */
static pid_t holder_find(const char *path)
{
	const struct dirent *entry;
	uint64_t pid;

	cleanup_dir DIR *d = opendir("/proc");
	while (d && (entry = readdir(d)))
		if (num_parse(entry->d_name, 10, INT32_MAX, &pid) == 0 && (pid_t)pid != getpid() &&
			process_has_open(entry->d_name, path))
			return (pid_t)pid;
	return 0;
}

static int holder_report(pid_t pid, const char *name, struct err *e)
{
	char path[FILE_PATH_MAX], program[64], shown[64];

	if (!pid)
		return err_say(e, -EBUSY, "--net: another guest uses macvtap '%s'", name);
	(void)file_path(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (file_read(path, program, sizeof(program)) < 0)
		program[0] = '\0';
	program[strcspn(program, "\n")] = '\0';
	file_escape(shown, sizeof(shown), program);
	err_say(e, -EBUSY, "--net: macvtap '%s' is in use: process %d (%s) has it", name, (int)pid,
		shown[0] ? shown : "unknown");
	err_hint(e, "give this guest one of its own: ip link add link IF name NAME type macvtap");
	return -EBUSY;
}

/* First the lock, then the look: of two guests that start at once, one gets it. */
int macvtap_claim(int fd, const char *path, const char *name, struct err *e)
{
	const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
	const pid_t holder = holder_find(path);

	return locked && !holder ? 0 : holder_report(holder, name, e);
}
