/* SPDX-License-Identifier: MIT */
#include "program/mounts.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: the program reaches no procfs of another PID namespace. A host may have several: a
 * chroot has its own mount of it, for example. So the list of mounts is read first, while /proc is
 * still there; then each procfs is detached, with what is mounted below it, and a new one mounted.
 *
 * The mounts become slaves: what the host unmounts meanwhile goes here, too, so that a program does
 * not hold a file system that the host wants to be rid of. Nothing goes the other way.
 */
#define VFIO_FOLDER "/dev/vfio"
#define PLACE "/run"
#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define SCRATCH_OPTIONS "mode=0700,size=64m,nr_inodes=4k"

/* The mount points of one type, in the order in which they were mounted. */
struct points {
	char **paths;
	size_t count;
};

static int point_add(struct points *p, const char *path)
{
	char **more = reallocarray(p->paths, p->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->paths = more;
	p->paths[p->count] = strdup(path);
	return p->paths[p->count++] ? 0 : -ENOMEM;
}

/* Never freed: this process executes a program soon, or watches it. */
static int points_read(const char *type, struct points *ret)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	char text[8192];
	struct mntent one;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getmntent_r(f, &one, text, sizeof(text)))
		if (strcmp(one.mnt_type, type) == 0)
			r = point_add(ret, one.mnt_dir);
	(void)endmntent(f);
	return r;
}

static int proc_replace(void)
{
	struct points old = {0};

	int r = points_read("proc", &old);
	/* From the last one: one may lie upon another. */
	for (size_t i = old.count; r == 0 && i > 0; i--)
		/* Those below a detached one went with it. */
		if (umount2(old.paths[i - 1], MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
			r = -errno;
	if (r == 0 && mount("proc", "/proc", "proc", SAFE, NULL) < 0)
		r = -errno;
	return r;
}

/* With all that is mounted below it. */
static int tree_protect(const char *path)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int sysfs_protect(const struct points *sysfs)
{
	for (size_t i = 0; i < sysfs->count; i++) {
		int r = tree_protect(sysfs->paths[i]);
		/* EINVAL: another file system hides it. */
		if (r < 0 && r != -EINVAL && r != -ENOENT)
			return r;
	}
	return 0;
}

/* An empty folder in its place, if it is there. */
static int folder_hide(const char *path)
{
	if (mount("none", path, "tmpfs", SAFE | MS_RDONLY, "mode=0755,size=4k") == 0)
		return 0;
	return errno == ENOENT ? 0 : -errno;
}

static int scratch_mount(uid_t uid)
{
	char options[96];

	(void)snprintf(options, sizeof(options), SCRATCH_OPTIONS ",uid=%u,gid=%u", (unsigned)uid,
		(unsigned)uid);
	if (mount("none", MOUNTS_SCRATCH, "tmpfs", SAFE, options) == 0)
		return 0;
	return errno == ENOENT ? 0 : -errno;
}

int mounts_node_add(struct mounts_nodes *n, const char *path)
{
	struct stat st;

	if (n->count == MOUNTS_NODES_MAX || strlen(path) >= MOUNTS_PATH_MAX)
		return -E2BIG;
	if (stat(path, &st) < 0)
		return -errno;
	struct mounts_node *one = &n->list[n->count++];
	(void)snprintf(one->path, sizeof(one->path), "%s", path);
	one->number = st.st_rdev;
	return S_ISCHR(st.st_mode) ? 0 : -ENODEV;
}

static bool is_in_vfio(const struct mounts_node *n)
{
	return strncmp(n->path, VFIO_FOLDER "/", sizeof(VFIO_FOLDER)) == 0;
}

static int node_make(const char *path, dev_t number, uid_t uid)
{
	if (mknod(path, S_IFCHR | 0600, number) < 0 || lchown(path, uid, uid) < 0)
		return -errno;
	return 0;
}

/* A node of ours over that of the host. A file system is at PLACE only to make it. */
static int node_replace(const struct mounts_node *n, uid_t uid)
{
	static const char made[] = PLACE "/node";

	if (mount("none", PLACE, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") < 0)
		return -errno;
	int r = node_make(made, n->number, uid);
	if (r == 0 && mount(made, n->path, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	(void)umount2(PLACE, MNT_DETACH);
	return r;
}

/* The program has no right to look for others, but a host may leave a group's node to anybody. */
static int vfio_replace(const struct mounts_nodes *nodes, uid_t uid)
{
	if (mount("none", VFIO_FOLDER, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct mounts_node *n = &nodes->list[i];
		int r = is_in_vfio(n) ? node_make(n->path, n->number, uid) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int nodes_replace(const struct mounts_nodes *nodes, uid_t uid)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const struct mounts_node *n = &nodes->list[i];
		int r = is_in_vfio(n) ? 0 : node_replace(n, uid);
		if (r < 0)
			return r;
	}
	return nodes->count ? vfio_replace(nodes, uid) : folder_hide(VFIO_FOLDER);
}

int mounts_enter(bool read_only, uid_t uid, const struct mounts_nodes *nodes, const char **ret_step)
{
	struct points sysfs = {0};

	*ret_step = "leave the host's mounts";
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	*ret_step = "mount its own /proc";
	int r = points_read("sysfs", &sysfs);
	if (r == 0)
		r = proc_replace();
	if (r < 0)
		return r;
	*ret_step = "make sysfs read-only";
	r = sysfs_protect(&sysfs);
	if (r < 0)
		return r;
	*ret_step = "hide " VFIO_FOLDER;
	r = nodes_replace(nodes, uid);
	if (r < 0)
		return r;
	if (read_only) {
		*ret_step = "make the file systems read-only";
		r = tree_protect("/");
		if (r < 0)
			return r;
		*ret_step = "mount " MOUNTS_SCRATCH;
		r = scratch_mount(uid);
		if (r < 0)
			return r;
	}
	*ret_step = "hide /run/user";
	return folder_hide("/run/user");
}
