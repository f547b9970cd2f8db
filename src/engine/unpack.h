/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_UNPACK_H
#define ENGINE_UNPACK_H

#include <stddef.h>

struct err;

/*
 * Decompresses a kernel's payload: gzip, bzip2, lzma, xz, lzo, lz4 (legacy frames) or zstd, by
 * their magic. The first call loads libarchive, so a start with a cached kernel does not pay for
 * it.
 *
 * @max: the most to unpack [bytes]. *@ret: the caller's to free().
 * Return: 0; -ENOEXEC unknown compression, or damaged; -EFBIG more than @max; -ENOMEM; -ELIBACC
 * libarchive is missing.
 */
int unpack(const void *data, size_t len, size_t max, void **ret, size_t *ret_len, struct err *e);

/* Loads the library now, for a process that opens no file later. Return: 0, -ELIBACC. */
int unpack_prepare(struct err *e);

#endif
