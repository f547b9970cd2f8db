/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_IMAGE_INFO_H
#define ENGINE_IMAGE_INFO_H

#include <stddef.h>

struct err;
struct image_part;

/*
 * Asks a confined qemu-img of the file @p->fd, whose format @p->format is, and fills in what it
 * says. Return: 0; -EINVAL it is damaged; -ENOENT qemu-img is not installed; -errno.
 */
int image_info_read(struct image_part *p, const char *run_dir, struct err *e);

/*
 * Fills in what the @len bytes of JSON say that qemu-img has printed. The image may have taken it
 * over. Return: 0; -EINVAL; -ENOMEM, -ENOPKG.
 */
int image_info_parse(struct image_part *p, const char *text, size_t len, struct err *e);

#endif
