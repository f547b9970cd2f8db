/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A disposable child enters the program's mounts, for there is no way back. It makes /dev/vfio
 * writable, changes it, and makes it read-only again. A host may have had no /dev/vfio when the
 * program started: then the child mounts one.
 */
#include "engine/plug/nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "/dev/vfio"
#define CONTAINER FOLDER "/vfio"

static void group_path(int group, char path[32])
{
	(void)snprintf(path, 32, FOLDER "/%d", group);
}

static int folder_protect(bool read_only)
{
	struct mount_attr attr = {.attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
		.attr_clr = read_only ? 0 : MOUNT_ATTR_RDONLY};

	return mount_setattr(AT_FDCWD, FOLDER, 0, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static bool folder_is_own(void)
{
	struct stat dev, vfio;

	return stat("/dev", &dev) == 0 && stat(FOLDER, &vfio) == 0 && dev.st_dev != vfio.st_dev;
}

static int folder_open(void)
{
	if (folder_is_own())
		return folder_protect(false);
	return mount("none", FOLDER, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") < 0
		       ? -errno
		       : 0;
}

/* A group's number may have been another device's before. */
static int node_make(const char *path, dev_t number, uid_t uid)
{
	(void)unlink(path);
	if (mknod(path, S_IFCHR | 0600, number) < 0 || lchown(path, uid, uid) < 0)
		return -errno;
	return 0;
}

struct node_change {
	int group;
	bool shows;
	uid_t uid;
	dev_t container, number;
};

static int change_make(const struct node_change *c)
{
	char path[32];

	group_path(c->group, path);
	if (!c->shows)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	int r = node_make(path, c->number, c->uid);
	if (r == 0 && access(CONTAINER, F_OK) < 0)
		r = node_make(CONTAINER, c->container, c->uid);
	return r;
}

static int change_inside(int mounts, const struct node_change *c)
{
	if (setns(mounts, CLONE_NEWNS) < 0)
		return -errno;
	if (!c->shows && !folder_is_own())
		return 0;
	int r = folder_open();
	if (r < 0)
		return r;
	r = change_make(c);
	int protected = folder_protect(true);
	return r < 0 ? r : protected;
}

static int change_carry_out(int mounts, const struct node_change *c)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-change_inside(mounts, c));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

int nodes_show(int mounts, int group, uid_t uid)
{
	struct node_change c = {.group = group, .shows = true, .uid = uid};
	struct stat st;
	char path[32];

	group_path(group, path);
	if (stat(path, &st) < 0)
		return -errno;
	c.number = st.st_rdev;
	if (stat(CONTAINER, &st) < 0)
		return -errno;
	c.container = st.st_rdev;
	return change_carry_out(mounts, &c);
}

int nodes_hide(int mounts, int group)
{
	return change_carry_out(mounts, &(struct node_change){.group = group});
}
