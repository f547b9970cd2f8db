/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_UNPACK_H
#define ENGINE_UNPACK_H

#include <stddef.h>

struct err;

/* Takes the next piece, which is valid during the call. Return: 0, -errno. */
typedef int (*unpack_put)(void *arg, const void *bytes, size_t len);

/*
 * Decompresses a kernel's payload: gzip, bzip2, lzma, xz, lzo, lz4 (legacy frames) or zstd, by
 * their magic. The first call loads libarchive, so a start with a cached kernel does not pay for
 * it.
 *
 * @max: the most to unpack [bytes]. @put gets it, piece by piece.
 * Return: 0; -ENOEXEC unknown compression, or damaged; -EFBIG more than @max; -ENOMEM; -ELIBACC
 * libarchive is missing; what @put returned.
 */
int unpack(const void *data, size_t len, size_t max, unpack_put put, void *arg, struct err *e);

/* Loads the library now, for a process that opens no file later. Return: 0, -ELIBACC. */
int unpack_prepare(struct err *e);

#endif
