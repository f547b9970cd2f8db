/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISK_IMAGE_H
#define ENGINE_DISK_IMAGE_H

#include "engine/disk.h"
#include "engine/image_chain.h"

/*
 * A disk that is an image with a format of its own. usher-vmm reads none: a program of QEMU serves
 * it (engine/storage.h). All of its files are claimed as a raw image is.
 */
struct disk_image {
	struct image_chain chain;
	int claims[IMAGE_CHAIN_MAX]; /* open files with locks; -1: none */
	bool direct[IMAGE_CHAIN_MAX]; /* the file takes direct I/O */
};

/* Whether usher has such an image served; "raw" is none. */
bool disk_image_is_format(const char *name);

/* Return: 0, as disk_open() does; then disk_image_free(). */
int disk_image_open(const struct guest_disk *d, struct disk_image **ret, struct err *e);
void disk_image_free(struct disk_image *i);

#endif
