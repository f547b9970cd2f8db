/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_VOLUME_H
#define IMAGE_VOLUME_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct source;

#define VOLUMES_MAX 128

/* What may have a file system: a partition, or a whole disk without a partition table. */
struct volume {
	unsigned number; /* of the partition; 0: the whole disk */
	uint64_t start, size; /* [bytes] on the disk, all of it there */
	char type[32]; /* as libblkid calls it: "ext4", "LVM2_member"; "": unknown */
	char uuid[64]; /* of the file system; "": none */
	char partuuid[64]; /* of the partition; "": none */
};

/*
 * Finds the volumes of the disk @s, in the order of their numbers.
 * Return: their number; -ENOMEM, -errno.
 */
int volumes_find(const struct source *s, struct volume list[VOLUMES_MAX], struct err *e);

#endif
