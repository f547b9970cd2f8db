/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SOURCE_EXPORT "disk" /* the name by which a server has it */

/*
 * Where the bytes of a disk come from: a raw image or a block device, or a program that knows the
 * format of an image and serves its content by the NBD protocol (image/nbd.h).
 *
 * How it works. libblkid reads descriptors alone. So it gets a glimpse of what is served: the first
 * bytes of a volume, at the start of a file in memory that is a hole behind them. Signatures there
 * are not found, such as those of some RAIDs. The walls (image/wall.h) keep the file from taking
 * more memory than others: a program that reads an image may be taken over by it.
 */
struct source {
	int fd; /* of the file, or of the connection; the caller's */
	bool is_served;
	uint64_t size; /* [bytes] of a served disk; 0: libblkid finds it */
	int glimpse; /* -1: there is none */
};

#define SOURCE_NONE ((struct source){.fd = -1, .glimpse = -1})

/* Before the walls stand, and without a look at the disk. Return: 0, -errno. */
int source_prepare(struct source *s, int fd, struct err *e);

/* Return: 0; -EPIPE the server has ended; -EINVAL it answers what cannot be. */
int source_open(struct source *s, struct err *e);

/* Reads [@off, +@len) of the disk. Return: 0, -errno. */
int source_read(const struct source *s, uint64_t off, void *buf, size_t len);

/*
 * A descriptor for libblkid, from which it reads the volume at @off. *@ret_start: [bytes] where the
 * volume starts in it. It is the source's, until the next call. Return: descriptor, -errno.
 */
int source_look(const struct source *s, uint64_t off, uint64_t size, uint64_t *ret_start);

#endif
