/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_IMAGE_INFO_H
#define ENGINE_IMAGE_INFO_H

struct err;
struct image_part;

/*
 * Asks a confined qemu-img of the file @p->fd, whose format @p->format is, and fills in what it
 * says. Return: 0; -EINVAL it is damaged; -ENOENT qemu-img is not installed; -errno.
 */
int image_info_read(struct image_part *p, const char *run_dir, struct err *e);

#endif
