/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_NBD_H
#define IMAGE_NBD_H

#include <stdint.h>

#define NBD_READ_MAX ((uint32_t)1 << 20) /* [bytes] of one read */

/*
 * A client of the NBD protocol, as far as reading goes: a server that knows the format of an image
 * shows it as a plain disk.
 *
 * How it works. One question is under way at a time, so each answer has to be the one to it. The
 * server reads an image that may have been made to harm: after any failure it is not asked again.
 * Ref: the NBD project, doc/proto.md. Numbers are big-endian.
 */

/*
 * Asks for the export @name over the connected socket @fd. *@ret_size: [bytes] of the disk.
 * Return: 0; -EPIPE the server has ended, or has no such export; -EPROTO; -errno.
 */
int nbd_open(int fd, const char *name, uint64_t *ret_size);

/* Reads [@off, +@len), @len at most NBD_READ_MAX. Return: 0; -EIO it cannot read; as above. */
int nbd_read(int fd, uint64_t off, void *buf, uint32_t len);

#endif
