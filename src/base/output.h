/* SPDX-License-Identifier: MIT */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

/*
 * Files that usher, often as root, writes at a path that a person named. Such a path may lie in
 * /tmp, where another user can plant a link or a file of the same name.
 *
 * Trusted owners are the caller, root and, under sudo, the user who called sudo. A symbolic link of
 * any other owner is not followed, whatever fs.protected_symlinks says, and a file or FIFO of any
 * other owner is not written.
 *
 * @what names the content in the error: "snapshot" becomes "write snapshot '/tmp/x': …".
 */

/* Whether @uid is one of the trusted owners. */
bool output_trusts_owner(uid_t uid);

/*
 * Writes a whole file: a new one replaces the old one by rename(2), so that a reader sees either.
 * A device, FIFO or pipe (/dev/stdout) is written in place. @mode: of the new file.
 * Return: 0, -EPERM for what another user owns and for a disk, -errno.
 */
int output_write(const char *what, const char *path, const void *data, size_t len, unsigned mode,
	struct err *e);

/*
 * Opens a file for writing in place: an existing one keeps its owner and mode, and is emptied.
 * Does not wait for the reader of a FIFO.
 * Return: a descriptor that the caller closes, -EPERM for what another user owns and for a disk,
 * -ENXIO for a FIFO without a reader, -errno.
 */
int output_open(const char *what, const char *path, unsigned mode, struct err *e);

#endif
