/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "host/disk_node.h"
#include "host/holders.h"
#include "host/host.h"
#include "host/inet.h"
#include "host/locked.h"
#include "host/rtnl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSFS_PAGE 4096 /* the smallest page of any kernel */
#define SYSLOG_READ_ALL 3 /* SYSLOG_ACTION_READ_ALL of linux/syslog.h, which is not a UAPI header */

static ssize_t live_read(struct host *h, const char *path, void *buf, size_t size)
{
	if (locked_attribute(path))
		return locked_read(path, buf, size);
	/*
	 * read(2) on the node returns one message; klogctl() returns the newest @size bytes at
	 * once.
	 */
	if (strcmp(path, HOST_KERNEL_LOG) == 0) {
		int n = klogctl(SYSLOG_READ_ALL, buf, size > INT_MAX ? INT_MAX : (int)size);
		return n < 0 ? -errno : n;
	}
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	/*
	 * One read(2) returns a whole text attribute of sysfs, and a page of a binary one (a ROM,
	 * an ACPI table), so less than a page is the end. Files of /proc come in pages that are not
	 * full, and only an empty read is their end.
	 */
	bool paged = strncmp(path, "/sys/", 5) == 0;
	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (n == 0 || (paged && n < SYSFS_PAGE))
			break;
	}
	return (ssize_t)len;
}

static ssize_t live_link(struct host *h, const char *path, char *buf, size_t size)
{
	ssize_t len = readlink(path, buf, size);

	if (len < 0)
		return -errno;
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return len;
}

static int live_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	cleanup_dir DIR *dir = opendir(path);
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0) {
		errno = 0;
		struct dirent *d = readdir(dir);
		if (!d)
			return -errno;
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = each(arg, d->d_name);
	}
	return r;
}

static int64_t live_changed(struct host *h, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int64_t live_modified(struct host *h, const char *path)
{
	return live_changed(h, path) / 1000000000;
}

static int live_node(struct host *h, const char *path, struct host_node *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENODEV;
	*ret = (struct host_node){st.st_mode & 07777, st.st_uid, st.st_gid};
	return 0;
}

/*
 * O_EXCL without O_CREAT requests the exclusive claim that mounts, swap, md, dm, zfs and btrfs hold
 * (bd_prepare_to_claim() in the kernel). With O_NONBLOCK, an empty removable drive does not wait
 * for its medium.
 */
static int live_block_busy(struct host *h, const char *disk)
{
	cleanup_fd int fd = disk_node_open(disk, O_RDONLY | O_EXCL | O_NONBLOCK);

	return fd >= 0 ? 0 : fd == -EBUSY ? 1 : fd;
}

static int live_number(struct host *h, const char *path, struct host_number *ret)
{
	struct statx st;

	/* DONT_SYNC: a path may lead to a dead network file system. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return -errno;
	ret->inode = 0;
	ret->kind = S_ISBLK(st.stx_mode)   ? HOST_NUMBER_BLOCK
		    : S_ISCHR(st.stx_mode) ? HOST_NUMBER_CHAR
					   : HOST_NUMBER_FILE;
	ret->dev = ret->kind == HOST_NUMBER_FILE ? makedev(st.stx_dev_major, st.stx_dev_minor)
						 : makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return 0;
}

static int live_loop(struct host *h, const char *name, struct host_number *ret)
{
	struct loop_info64 info;

	cleanup_fd int fd = disk_node_open(name, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	/* The kernel and the C library encode numbers alike, up to the kernel's largest major. */
	ret->kind = info.lo_rdevice ? HOST_NUMBER_BLOCK : HOST_NUMBER_FILE;
	ret->dev = info.lo_rdevice ? info.lo_rdevice : info.lo_device;
	ret->inode = info.lo_rdevice ? 0 : info.lo_inode;
	return 0;
}

struct functions {
	int (*each)(void *arg, const struct host_vf *vf);
	void *arg;
};

static int hear_functions(void *arg, const struct nlmsghdr *m)
{
	const struct functions *f = arg;

	return rtnl_each_function(m, f->each, f->arg);
}

static int live_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct functions f = {each, arg};

	unsigned index = if_nametoindex(interface);
	if (!index)
		return -errno;
	rtnl_ask_functions(request, (int)index);
	return rtnl_talk(request, hear_functions, &f);
}

static const struct host_ops live_ops = {
	.read = live_read,
	.link = live_link,
	.list = live_list,
	.changed = live_changed,
	.modified = live_modified,
	.block_busy = live_block_busy,
	.holders = holders_walk,
	.node = live_node,
	.number = live_number,
	.loop = live_loop,
	.addresses = inet_addresses,
	.functions = live_functions,
};

struct host *host_live(void)
{
	static struct host live = {.ops = &live_ops};

	return &live;
}
