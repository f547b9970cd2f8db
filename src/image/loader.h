/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_LOADER_H
#define IMAGE_LOADER_H

#include "image/entry.h"

struct tree;

/* What the boot loader of a file system would start, and which of its files says so. */
struct boot_choice {
	struct boot_entry entry; /* its files exist */
	char source[ENTRY_PATH_MAX]; /* a configuration; "": the newest kernel */
	bool is_configured; /* a boot loader's configuration names the kernel */
};

/*
 * Chooses the kernel of one file system: what the configuration of GRUB, extlinux or systemd-boot
 * starts; without one, or if its kernel is gone, /vmlinuz, and then the newest kernel of /boot or
 * of the root, with its initial RAM disk. @ret->entry.options may be empty.
 * Return: 0; -ENOENT it has no kernel; -ENOMEM.
 */
int loader_choose(const struct tree *t, struct boot_choice *ret);

/* Whether the file system is the root of a system. */
bool loader_is_root(const struct tree *t);

#endif
