/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KERNEL_H
#define ENGINE_KERNEL_H

#include <stddef.h>

struct err;

/*
 * A bootable kernel as an ELF vmlinux. A bzImage is unpacked once (Debian's takes a guest 7 s to
 * unpack for itself in an emulated host, 0.4-1.1 s here) and cached by what the file is: size,
 * time of change, setup header and tail. With no room for the cache the unpacked kernel lives in
 * a memfd as long as the descriptor does.
 */
struct kernel {
	int fd; /* ELF file, read-only; kernel_close() */
	char path[512]; /* by which a child process that inherits @fd opens it */
	int cached; /* found in the cache: 1; an ELF file to begin with: 2 */
};

/*
 * Whether @path is something that can be unpacked, without doing it.
 * Return: 0, -ENOEXEC with a sentence when it is no kernel image, -errno.
 */
int kernel_check(const char *path, struct err *e);

/* Return: 0, -ENOEXEC, -EFBIG, -ENOMEM, -errno. */
int kernel_open(const char *path, struct kernel *ret, struct err *e);
void kernel_close(struct kernel *k);

#endif
