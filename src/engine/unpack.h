/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_UNPACK_H
#define ENGINE_UNPACK_H

#include <stddef.h>

struct err;

/*
 * Decompresses a kernel's payload: gzip, bzip2, lzma, xz, lzo, lz4 (legacy frames) or zstd, told
 * apart by their magic. Rests on libarchive, which is loaded when this is first called: a start
 * with a cached kernel does not pay for it.
 *
 * @max: more than this is refused. *@ret: the caller's to free().
 * Return: 0, -ENOEXEC when it is no known compression or damaged, -EFBIG, -ENOMEM,
 * -ELIBACC when libarchive is not there.
 */
int unpack(const void *data, size_t len, size_t max, void **ret, size_t *ret_len, struct err *e);

#endif
