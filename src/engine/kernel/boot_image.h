/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KERNEL_BOOT_IMAGE_H
#define ENGINE_KERNEL_BOOT_IMAGE_H

#include "wire/image.h"

struct disk_image;
struct err;

/*
 * The kernel that the image of a disk brings, and the command line by which its boot loader would
 * start it. usher-image reads it, behind walls (src/image/main.c).
 */
struct boot_image {
	int kernel; /* ELF vmlinux, in memory, sealed; boot_image_close() */
	int initrd; /* likewise; -1: it has none */
	struct wire_image found; /* checked */
};

#define BOOT_IMAGE_NONE ((struct boot_image){.kernel = -1, .initrd = -1})

/*
 * @image: its files, if it has a format of its own: then a program of QEMU shows usher-image the
 * content (engine/storage.h). NULL: what @path names is the disk.
 * @run_dir: BIND_STATE_DIR, for the users that these programs get.
 * Return: 0; -EINVAL the image has no kernel that can be used; -ENOENT usher-image is not
 * installed; -errno.
 */
int boot_image_open(const char *path, const struct disk_image *image, const char *run_dir,
	struct boot_image *ret, struct err *e);
void boot_image_close(struct boot_image *b);

#endif
