/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_WRITABLE_H
#define IMAGE_WRITABLE_H

struct err;
struct image_format;

/* The format that the name of @path tells: raw, unless its ending is another one's. */
const char *writable_name_format(const char *path);

/*
 * The format of the image @path, open as @fd, that is to be written. A guest that has a raw image
 * can write the signature of another format into it, so a signature alone counts for nothing: the
 * user names the format (@named), or the file's name does. Return: 0, -EINVAL, -errno.
 */
int writable_format(const char *path, int fd, const char *named, const struct image_format **ret,
	struct err *e);

#endif
