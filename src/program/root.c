/* SPDX-License-Identifier: MIT */
#include "program/root.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: the host's file systems are detached before the program starts, so a name in an image
 * means nothing. What the program gets is mounted into a new tmpfs, which then becomes the root.
 *
 * A file is found by its path again, because a mount of another namespace cannot be mounted here,
 * and compared with the one that the caller has open. The libraries are those of a dynamic program:
 * folders that hold no secrets of the host.
 */
#define PLACE "/run"

int root_add(struct root *r, const char *path, int fd, const char *name, bool writable)
{
	struct root_file *f = &r->files[r->count];
	struct stat st;

	if (r->count == ROOT_FILES_MAX)
		return -E2BIG;
	if (fstat(fd, &st) < 0)
		return -errno;
	int n = file_path(f->path, sizeof(f->path), "%s", path);
	if (n == 0)
		n = file_path(f->name, sizeof(f->name), "%s", name);
	if (n < 0)
		return n;
	f->device = st.st_dev;
	f->number = st.st_ino;
	f->writable = writable;
	r->count++;
	return 0;
}

/* @flags: what it is to be besides nosuid. Return: the detached copy of a mount, -errno. */
static int tree_copy(int fd, uint64_t flags)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | flags};
	cleanup_fd int tree = open_tree(
		fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (tree < 0 ||
		mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return TAKE_FD(tree);
}

/* Makes the folders above @path, which is below PLACE. */
static int parents_make(const char *path)
{
	char folder[ROOT_PATH_MAX + sizeof(PLACE)];

	(void)snprintf(folder, sizeof(folder), "%s", path);
	file_step_up(folder);
	return file_mkdirs(folder, 0755);
}

static int target_make(const char *path, bool is_folder)
{
	int r = parents_make(path);
	if (r < 0)
		return r;
	if (is_folder)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

static int tree_attach(int tree, const char *name, bool is_folder)
{
	char path[ROOT_PATH_MAX + sizeof(PLACE)];

	int r = file_path(path, sizeof(path), PLACE "%s", name);
	if (r < 0)
		return r;
	r = target_make(path, is_folder);
	if (r < 0)
		return r;
	return move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int file_copy(const struct root_file *f)
{
	struct stat st;
	cleanup_fd int fd = open(f->path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != f->device || st.st_ino != f->number)
		return -ESTALE;
	return tree_copy(fd, (f->writable ? 0 : MOUNT_ATTR_RDONLY) |
				     (S_ISBLK(st.st_mode) ? 0 : MOUNT_ATTR_NODEV));
}

/* A folder, or a link to one in the same place of the new root. */
static int library_bind(const char *path)
{
	char to[64], link[ROOT_PATH_MAX];
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	ssize_t n = S_ISLNK(st.st_mode) ? readlink(path, to, sizeof(to) - 1) : -1;
	if (n > 0) {
		to[n] = '\0';
		(void)snprintf(link, sizeof(link), PLACE "%s", path);
		int r = parents_make(link);
		return r < 0 ? r : symlink(to, link) < 0 ? -errno : 0;
	}
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
	cleanup_fd int tree = fd < 0 ? -1 : tree_copy(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
	if (fd < 0 || tree < 0)
		return fd < 0 ? -errno : tree;
	return tree_attach(tree, path, S_ISDIR(st.st_mode));
}

/* Programs expect it, and nothing can be got from it. */
static int null_bind(void)
{
	cleanup_fd int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	cleanup_fd int tree = fd < 0 ? -1 : tree_copy(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);

	if (fd < 0 || tree < 0)
		return fd < 0 ? -errno : tree;
	return tree_attach(tree, "/dev/null", false);
}

/* Where distributions have libraries, and the cache that finds them. */
static int libraries_bind(void)
{
	static const char *const paths[] = {"/usr/lib", "/usr/lib32", "/usr/lib64", "/lib",
		"/lib32", "/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store",
		"/gnu/store"};

	for (size_t i = 0; i < COUNT(paths); i++) {
		int r = library_bind(paths[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int place_mount(const struct root *r)
{
	char options[64];

	/* Folders and empty files need some pages as well. */
	(void)snprintf(options, sizeof(options), "mode=0755,size=%" PRIu64, r->room + MIB(1));
	return mount("none", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0 ? -errno
											    : 0;
}

/* The file outlives its root: the caller has its descriptor. */
static int made_make(const struct root *r, uid_t uid)
{
	struct wire_header message = {.kind = WIRE_MADE};
	struct wire_fds fds = {0};
	char path[64];

	if (!r->made[0])
		return 0;
	(void)snprintf(path, sizeof(path), PLACE "%s", r->made);
	cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, uid, uid) < 0)
		return -errno;
	(void)wire_add(&fds, fd);
	return wire_send(r->made_line, &message, sizeof(message), &fds);
}

/* The kernel exchanges no initramfs: it is hidden, and nobody may chroot out of the new root. */
static int place_become_root(void)
{
	if (chdir(PLACE) < 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

/* What is in it, from the libraries to the files. */
static int place_fill(const struct root *r, const int trees[ROOT_FILES_MAX], uid_t uid)
{
	int n = place_mount(r);
	if (n < 0)
		return n;
	n = libraries_bind();
	if (n < 0)
		return n;
	n = null_bind();
	for (size_t i = 0; n == 0 && i < r->count; i++)
		n = tree_attach(trees[i], r->files[i].name, false);
	return n < 0 ? n : made_make(r, uid);
}

/* The program may have the right to write to it whoever owns it. */
static int root_protect(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int root_enter(const struct root *r, uid_t uid, const char **ret_step)
{
	int trees[ROOT_FILES_MAX];

	*ret_step = "leave the host's network";
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	*ret_step = "leave the host's mounts";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	*ret_step = "find its files again";
	for (size_t i = 0; i < r->count; i++) {
		trees[i] = file_copy(&r->files[i]);
		if (trees[i] < 0)
			return trees[i];
	}
	*ret_step = "mount its root";
	int n = place_fill(r, trees, uid);
	if (n < 0)
		return n;
	*ret_step = "enter its root";
	n = place_become_root();
	return n < 0 || r->made[0] ? n : root_protect();
}
