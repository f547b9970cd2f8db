/* SPDX-License-Identifier: MIT */
#ifndef HOST_MODULES_H
#define HOST_MODULES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host;

/*
 * The path of file @name ("modules.dep") of the running kernel's modules in the @i-th folder where
 * a distribution keeps them: /lib/modules first; NixOS and Guix keep them elsewhere.
 * Return: 0, -ENOENT after the last folder, -errno without the kernel's release.
 */
int host_modules_path(struct host *h, unsigned i, const char *name, char *buf, size_t size);

/*
 * Reads such a file from the first folder that has it; @path receives where that is. The caller
 * frees *@ret. Return: length, -ENOENT, -errno.
 */
ssize_t host_modules_read(struct host *h, const char *name, char *path, size_t size, char **ret);

#endif
