/* SPDX-License-Identifier: MIT */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define FILE_PATH_MAX 512 /* of paths that usher makes; those of sysfs are much shorter */

/* Prints a path to @buf. Return: 0, -ENAMETOOLONG when it does not fit. */
int file_path(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Reads a small text file (a sysfs attribute) to @buf, adds a NUL and removes one trailing newline.
 * Return: length, -EFBIG when it does not fit, -errno.
 */
int file_read(const char *path, char *buf, size_t size);

/* Writes the whole @text by one write(2), as a sysfs attribute needs it. Return: 0, -errno. */
int file_write(const char *path, const char *text);

/*
 * Replaces the contents of @path. A crash leaves the old or the new file, never a part of one: it
 * writes a nameless file, then fsync, link or rename, fsync of the directory. Only a crash between
 * link and rename, of a file that replaces another, leaves a temporary name (file_is_leftover()).
 * @mode: of the new file.
 * Return: 0, -errno.
 */
int file_replace(const char *path, const void *data, size_t len, unsigned mode);

/* The same; makes the folders above @path, mode 0755, if they are missing. Return: 0, -errno. */
int file_replace_deep(const char *path, const void *data, size_t len, unsigned mode);

/*
 * Whether @name is a temporary file that a crash in file_replace() left. @buf gets the name of the
 * file that it was to replace, or @name itself; "" when that does not fit.
 */
bool file_is_leftover(const char *name, char *buf, size_t size);

/* Removes @path, and its temporary file if a crash left one. Return: 0 (also if absent), -errno. */
int file_remove(const char *path);

/* Makes a directory and its parents. Return: 0 (also if present), -errno. */
int file_mkdirs(const char *path, unsigned mode);

/* fsync of a directory: a created or removed name survives a crash. Return: 0, -errno. */
int file_sync_dir(const char *path);

/* Cuts the last component off @path, with its slash. */
void file_step_up(char *path);

/* The last component of @path; @path itself when it has no slash. */
const char *file_base(const char *path);

/*
 * Copies @text so that it is safe on a terminal and in a log: bytes outside printable ASCII
 * become \xNN. For each text that comes from a device, a process or a file name.
 */
void file_escape(char *buf, size_t size, const char *text);

/* Replaces "\040" and the like, in place: the kernel's blanks in tables of /proc. */
void file_unescape(char *text);

#endif
