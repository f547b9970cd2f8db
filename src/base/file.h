/* SPDX-License-Identifier: MIT */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define FILE_PATH_MAX 512 /* longest path that usher makes; sysfs paths stay far below */

/* printf into @buf. Return: 0, -ENAMETOOLONG when it does not fit. */
int file_path(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * A small text file (sysfs attribute) into @buf, NUL-terminated, one trailing newline removed.
 * Return: length, -EFBIG when it does not fit, -errno.
 */
int file_read(const char *path, char *buf, size_t size);

/* One write(2) of the whole @text, as a sysfs store wants it. Return: 0, -errno. */
int file_write(const char *path, const char *text);

/*
 * Replaces @path by @text so that a crash leaves the old or the new file, never half of one:
 * write to a temporary name, fsync, rename, fsync of the directory. @mode: of a new file.
 * Return: 0, -errno.
 */
int file_replace(const char *path, const void *data, size_t len, unsigned mode);

/*
 * Whether @name is what a crash in file_replace() left; @buf gets the name of the file that it was
 * to become, or @name itself. A name that does not fit becomes "".
 */
bool file_is_leftover(const char *name, char *buf, size_t size);

/* Removes @path and what a crash left beside it; none is fine. Return: 0, -errno. */
int file_remove(const char *path);

/* mkdir -p. Return: 0, -errno. */
int file_mkdirs(const char *path, unsigned mode);

/* fsync of a directory, so that a created or removed name survives. Return: 0, -errno. */
int file_sync_dir(const char *path);

/* Last component of @path, the whole text when there is no slash. */
const char *file_base(const char *path);

/*
 * Copies @text so that it is safe on a terminal and in a log: bytes outside printable ASCII
 * become \xNN. For everything that came from a device, a process or a file name.
 */
void file_escape(char *buf, size_t size, const char *text);

#endif
