/* SPDX-License-Identifier: MIT */
#include "image/newfile.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE KIB(256)
#define BLOCK 4096 /* a hole is not smaller */
#define MODE 0600 /* a disk has secrets of its guest */

static int exists_say(const char *path, struct err *e)
{
	(void)err_say(e, -EEXIST, "'%s' exists, and usher does not overwrite it", path);
	err_hint(e, "remove it first, or choose another name");
	return -EEXIST;
}

static void folder_of(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');

	if (slash)
		(void)snprintf(buf, size, "%.*s", (int)(slash - path + 1), path);
	else
		(void)snprintf(buf, size, ".");
}

static int named_open(struct newfile *f, const char *folder)
{
	int n = snprintf(f->name, sizeof(f->name), "%s/.%s.usher", folder, file_base(f->path));

	if ((size_t)n >= sizeof(f->name)) {
		f->name[0] = '\0';
		return -ENAMETOOLONG;
	}
	int fd = open(f->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (fd >= 0)
		return fd;
	int r = -errno;
	f->name[0] = '\0';
	return r;
}

int newfile_open(const char *path, struct newfile *ret, struct err *e)
{
	struct newfile f = NEWFILE_NONE;
	char folder[NEWFILE_PATH_MAX];
	struct stat st;

	if (file_path(f.path, sizeof(f.path), "%s", path) < 0)
		return err_say(e, -ENAMETOOLONG, "'%.60s…': the path is too long", path);
	if (!file_base(path)[0])
		return err_say(e, -EISDIR, "'%s' names a folder, not a file", path);
	if (lstat(path, &st) == 0)
		return exists_say(path, e);
	folder_of(path, folder, sizeof(folder));
	f.fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, MODE);
	if (f.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		f.fd = named_open(&f, folder);
	else if (f.fd < 0)
		f.fd = -errno;
	if (f.fd < 0)
		return err_set(e, f.fd, "make '%s'", path);
	*ret = f;
	return 0;
}

static bool is_zero(const char *bytes, size_t len)
{
	return !len || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static int piece_write(int fd, const char *bytes, size_t len, off_t at)
{
	for (size_t done = 0; done < len;) {
		const size_t n = min_u64(len - done, BLOCK);
		int r = is_zero(bytes + done, n)
				? 0
				: fd_pwrite_full(fd, bytes + done, n, at + (off_t)done);
		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

/* [@at, @end) has data. */
static int extent_copy(int to, int from, off_t at, off_t end, char *piece)
{
	while (at < end) {
		const size_t len = min_u64((uint64_t)(end - at), PIECE);
		int r = fd_pread_full(from, piece, len, at);
		if (r == 0)
			r = piece_write(to, piece, len, at);
		if (r < 0)
			return r;
		at += (off_t)len;
	}
	return 0;
}

static int extents_copy(int to, int from, off_t size, char *piece)
{
	off_t at = 0;

	while (at < size) {
		off_t start = lseek(from, at, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			break;
		off_t end = start < 0 ? size : lseek(from, start, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		int r = extent_copy(to, from, start < 0 ? at : start, end, piece);
		if (r < 0)
			return r;
		at = end;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

int newfile_copy(struct newfile *f, int fd, uint64_t size, struct err *e)
{
	cleanup_free char *piece = malloc(PIECE);

	int r = piece ? extents_copy(f->fd, fd, (off_t)size, piece) : -ENOMEM;
	return r < 0 ? err_set(e, r, "write '%s'", f->path) : 0;
}

/* FAT has no links, and NFS no rename that spares what is there. */
static int name_change(struct newfile *f)
{
	if (renameat2(AT_FDCWD, f->name, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0) {
		f->name[0] = '\0';
		return 0;
	}
	if (errno != EINVAL)
		return -errno;
	return linkat(AT_FDCWD, f->name, AT_FDCWD, f->path, 0) < 0 ? -errno : 0;
}

static int name_give(struct newfile *f)
{
	char link[32];

	if (f->name[0])
		return name_change(f);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	return linkat(AT_FDCWD, link, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int newfile_finish(struct newfile *f, struct err *e)
{
	char folder[NEWFILE_PATH_MAX];

	if (fsync(f->fd) < 0)
		return err_set(e, -errno, "write '%s'", f->path);
	int r = name_give(f);
	if (r == -EEXIST)
		return exists_say(f->path, e);
	if (r < 0)
		return err_set(e, r, "make '%s'", f->path);
	folder_of(f->path, folder, sizeof(folder));
	(void)file_sync_dir(folder);
	return 0;
}

void newfile_close(struct newfile *f)
{
	if (f->name[0])
		(void)unlink(f->name);
	f->name[0] = '\0';
	fd_close(&f->fd);
}
