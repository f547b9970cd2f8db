/* SPDX-License-Identifier: MIT */
#include "host/disk_node.h"

#include "base/clean.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Opens @path if it is the block device @number. Return: a descriptor, -ENODEV, -errno. */
static int open_checked(const char *path, dev_t number, int flags)
{
	char self[32];
	struct stat st;

	/* O_PATH looks at the node without a call to its driver. */
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != number)
		return -ENODEV;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	int device = open(self, flags | O_CLOEXEC);
	if (device < 0)
		return -errno;
	return device;
}

int disk_node_open(const char *name, int flags)
{
	char path[FILE_PATH_MAX], text[32];
	unsigned major, minor;

	if (strchr(name, '/'))
		return -EINVAL;
	int r = file_path(path, sizeof(path), "/sys/class/block/%s/dev", name);
	if (r < 0)
		return r;
	r = file_read(path, text, sizeof(text));
	if (r < 0)
		return r;
	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return -EINVAL;
	r = file_path(path, sizeof(path), "/dev/%s", name);
	if (r < 0)
		return r;
	/* sysfs has "cciss!c0d0" for a node in a folder of /dev. */
	for (char *p = path; *p; p++)
		*p = *p == '!' ? '/' : *p;
	r = open_checked(path, makedev(major, minor), flags);
	if (r != -ENODEV)
		return r;
	/* udev links each number to its node. */
	(void)snprintf(path, sizeof(path), "/dev/block/%u:%u", major, minor);
	return open_checked(path, makedev(major, minor), flags);
}
