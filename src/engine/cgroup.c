/* SPDX-License-Identifier: MIT */
#include "engine/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

#define CGROUP_TOP "/sys/fs/cgroup"
#define EMPTY_TRIES 200
#define EMPTY_PAUSE_NS 10000000

/* Our own folder, "0::/user.slice/…": what the program uses is counted where we are. */
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

void cgroup_make(const char *name, struct cgroup *ret)
{
	char own[FILE_PATH_MAX], path[FILE_PATH_MAX];

	*ret = CGROUP_NONE;
	if (access(CGROUP_TOP "/cgroup.procs", W_OK) < 0 || own_dir(own, sizeof(own)) < 0)
		return;
	if (file_path(ret->dir, sizeof(ret->dir), "%s/usher-%s",
		    strcmp(own, CGROUP_TOP "/") == 0 ? CGROUP_TOP : own, name) < 0 ||
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
	/* Linux 5.14; before, and without it, the namespace's end has killed them already. */
	if (file_path(path, sizeof(path), "%s/cgroup.kill", g->dir) == 0)
		(void)file_write(path, "1");
	for (unsigned i = 0; i < EMPTY_TRIES && rmdir(g->dir) < 0 && errno == EBUSY; i++)
		(void)nanosleep(&pause, NULL);
	*g = CGROUP_NONE;
}
