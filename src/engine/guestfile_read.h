/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_GUESTFILE_READ_H
#define ENGINE_GUESTFILE_READ_H

#include <stddef.h>

struct err;

/*
 * Reads a guest file: a regular file of at most GUESTFILE_MAX bytes that nobody but a trusted user
 * can write: the caller, root and, under sudo, the user who called sudo. Whoever writes it decides
 * what the caller opens, takes and runs, and the caller mostly is root.
 * *@ret is the caller's to free(), @ret_len [bytes].
 * Return: 0; -EPERM another user may have written it; -EINVAL, -EFBIG; -ENOMEM, -errno.
 */
int guestfile_read(const char *path, char **ret, size_t *ret_len, struct err *e);

#endif
