/* SPDX-License-Identifier: MIT */
#include "engine/cgroup.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_TOP "/sys/fs/cgroup"
#define PREFIX "usher-"
#define DEPTH_MAX 16 /* what systemd makes has fewer floors */
#define EMPTY_TRIES 200
#define EMPTY_PAUSE_NS 10000000

/* Our own folder, from "0::/user.slice/…": the program's use counts where usher's does. */
static int own_dir(char *buf, size_t size)
{
	char text[FILE_PATH_MAX];

	int r = file_read("/proc/self/cgroup", text, sizeof(text));
	if (r < 0)
		return r;
	if (strncmp(text, "0::/", 4) != 0)
		return -ENOENT;
	text[strcspn(text, "\n")] = '\0';
	return file_path(buf, size, CGROUP_TOP "%s", text + 3);
}

/* True for "usher-exec-PID" if process PID is gone: its keeper was killed. */
static bool is_left(const char *name)
{
	int pid;

	return sscanf(name, PREFIX "exec-%d", &pid) == 1 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* The kernel refuses to remove a cgroup that has processes. */
static void sweep_folder(const char *top, unsigned depth)
{
	char path[FILE_PATH_MAX];
	const struct dirent *entry;

	cleanup_dir DIR *d = opendir(top);
	while (d && (entry = readdir(d))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			file_path(path, sizeof(path), "%s/%s", top, entry->d_name) < 0)
			continue;
		if (is_left(entry->d_name))
			(void)rmdir(path);
		else if (depth)
			sweep_folder(path, depth - 1);
	}
}

void cgroup_sweep(void)
{
	sweep_folder(CGROUP_TOP, DEPTH_MAX);
}

void cgroup_make(const char *name, struct cgroup *ret)
{
	char own[FILE_PATH_MAX], path[FILE_PATH_MAX];

	*ret = CGROUP_NONE;
	if (access(CGROUP_TOP "/cgroup.procs", W_OK) < 0 || own_dir(own, sizeof(own)) < 0)
		return;
	if (strcmp(own, CGROUP_TOP "/") == 0)
		own[strlen(own) - 1] = '\0';
	sweep_folder(own, 0);
	if (file_path(ret->dir, sizeof(ret->dir), "%s/" PREFIX "%s", own, name) < 0 ||
		(mkdir(ret->dir, 0755) < 0 && errno != EEXIST) ||
		file_path(path, sizeof(path), "%s/cgroup.procs", ret->dir) < 0) {
		ret->dir[0] = '\0';
		return;
	}
	ret->procs_fd = open(path, O_WRONLY | O_CLOEXEC);
}

void cgroup_remove(struct cgroup *g)
{
	const struct timespec pause = {.tv_nsec = EMPTY_PAUSE_NS};
	char path[FILE_PATH_MAX];

	if (!g->dir[0])
		return;
	fd_close(&g->procs_fd);
	/* Linux 5.14. Otherwise the end of the namespace has killed them already. */
	if (file_path(path, sizeof(path), "%s/cgroup.kill", g->dir) == 0)
		(void)file_write(path, "1");
	for (unsigned i = 0; i < EMPTY_TRIES && rmdir(g->dir) < 0 && errno == EBUSY; i++)
		(void)nanosleep(&pause, NULL);
	*g = CGROUP_NONE;
}
