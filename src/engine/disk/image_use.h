/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISK_IMAGE_USE_H
#define ENGINE_DISK_IMAGE_USE_H

struct err;
struct host;
struct stat;

/*
 * Whether the host itself uses the file @st as a disk or as swap space. @path: for messages.
 * Return: 0 no, -EINVAL.
 */
int image_use_check(struct host *h, const char *path, const struct stat *st, struct err *e);

#endif
