/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KERNEL_H
#define ENGINE_KERNEL_H

#include <stddef.h>

struct err;

/*
 * A bootable kernel as an ELF vmlinux. usher unpacks a bzImage once (in an emulated host a guest
 * takes 7 s to unpack Debian's, usher 0.4-1.1 s) and caches it by the file's size, time of change,
 * setup header and tail. Without room for the cache the unpacked kernel is a memfd.
 */
struct kernel {
	int fd; /* ELF file, read-only; kernel_close() */
	char path[512]; /* of @fd, for messages */
	int cached; /* 1: found in the cache; 2: the file itself is ELF */
};

/* Return: 0, -ENOEXEC with a sentence when it is no kernel image, -EFBIG, -ENOMEM, -errno. */
int kernel_open(const char *path, struct kernel *ret, struct err *e);

/*
 * Unpacks the kernel image in the file @fd, which messages call @path, in place and without the
 * cache. Return: 0; 1 it is ELF itself, and unchanged; otherwise as kernel_open().
 */
int kernel_extract(int fd, const char *path, struct err *e);

void kernel_close(struct kernel *k);

#endif
