/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/clean.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEFTOVER ".new" /* suffix of the temporary file of file_replace() */

int file_path(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int file_read(const char *path, char *buf, size_t size)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len == size)
			return -EFBIG;
	}
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int file_write(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, len);
	if (n < 0)
		return -errno;
	/* sysfs stores each write(2) by itself: the rest of a short one would be another value. */
	return (size_t)n == len ? 0 : -EIO;
}

int file_sync_dir(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int file_fill(int fd, const void *data, size_t len)
{
	int r = fd_write_full(fd, data, len);

	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* A file system without O_TMPFILE, or a process without /proc. */
static int write_named(const char *tmp, const void *data, size_t len, unsigned mode)
{
	cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	return fd < 0 ? -errno : file_fill(fd, data, len);
}

static int link_nameless(int fd, const char *path)
{
	char self[32];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/*
 * The file has no name until it is whole, so that a kill leaves nothing behind. Only one that
 * replaces another needs a second name, for rename(2).
 * Return: 1 it is there as @path; 0 as @tmp; -errno.
 */
static int write_synced(const char *dir, const char *path, const char *tmp, const void *data,
	size_t len, unsigned mode)
{
	/* A crash may have left one; in /tmp another user may have made it, to read ours. */
	(void)unlink(tmp);
	cleanup_fd int fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
	if (fd < 0)
		return write_named(tmp, data, len, mode);
	int r = file_fill(fd, data, len);
	if (r < 0)
		return r;
	r = link_nameless(fd, path);
	if (r == 0)
		return 1;
	if (r == -EEXIST)
		r = link_nameless(fd, tmp);
	return r < 0 ? write_named(tmp, data, len, mode) : 0;
}

int file_replace(const char *path, const void *data, size_t len, unsigned mode)
{
	char tmp[FILE_PATH_MAX];
	char dir[FILE_PATH_MAX];

	int r = file_path(tmp, sizeof(tmp), "%s" LEFTOVER, path);
	if (r < 0)
		return r;
	const char *slash = strrchr(path, '/');
	r = slash ? file_path(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path)
		  : file_path(dir, sizeof(dir), ".");
	if (r < 0)
		return r;
	r = write_synced(dir, path, tmp, data, len, mode);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(tmp);
		return r;
	}
	return file_sync_dir(dir);
}

bool file_is_leftover(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name), tail = strlen(LEFTOVER);
	bool left = len > tail && strcmp(name + len - tail, LEFTOVER) == 0;

	len -= left ? tail : 0;
	if (len >= size)
		len = 0;
	memcpy(buf, name, len);
	buf[len] = '\0';
	return left;
}

/* On a read-only file system the kernel refuses before it looks whether the file exists. */
static int remove_name(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	int r = -errno;
	return r == -EROFS && access(path, F_OK) < 0 && errno == ENOENT ? 0 : r;
}

int file_remove(const char *path)
{
	char tmp[FILE_PATH_MAX];

	int r = file_path(tmp, sizeof(tmp), "%s" LEFTOVER, path);
	if (r == 0)
		r = remove_name(tmp);
	int last = remove_name(path);
	return last < 0 ? last : r;
}

int file_mkdirs(const char *path, unsigned mode)
{
	char buf[FILE_PATH_MAX];

	int r = file_path(buf, sizeof(buf), "%s", path);
	if (r < 0)
		return r;
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(buf, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int file_replace_deep(const char *path, const void *data, size_t len, unsigned mode)
{
	char folder[FILE_PATH_MAX];

	int r = file_replace(path, data, len, mode);
	if (r != -ENOENT)
		return r;
	r = file_path(folder, sizeof(folder), "%s", path);
	if (r < 0)
		return r;
	file_step_up(folder);
	r = file_mkdirs(folder, 0755);
	return r < 0 ? r : file_replace(path, data, len, mode);
}

void file_step_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

const char *file_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void file_escape(char *buf, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 5 <= size; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= 0x20 && c < 0x7f)
			buf[n++] = (char)c;
		else
			n += (size_t)snprintf(buf + n, size - n, "\\x%02x", c);
	}
	if (size)
		buf[n < size ? n : size - 1] = '\0';
}

void file_unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		unsigned byte;

		if (in[0] == '\\' && strspn(in + 1, "01234567") >= 3 &&
			sscanf(in + 1, "%3o", &byte) == 1 && byte) {
			*out = (char)byte;
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}
