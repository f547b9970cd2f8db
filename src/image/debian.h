/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_DEBIAN_H
#define IMAGE_DEBIAN_H

#include <stdint.h>

struct err;

struct debian_request {
	const char *path; /* of the image */
	const char *suite;
	const char *mirror; /* a URL */
	const char *include; /* further packages, with commas between; NULL */
	const char *ssh_key; /* a file with public keys, which may log in as root; NULL */
	const char *hook; /* a script that runs with the new root's path; NULL */
	uint64_t size; /* [bytes] */
	void (*begins)(const struct debian_request *q); /* all is checked; NULL */
};

#define DEBIAN_SIZE_MIN (UINT64_C(256) << 20) /* [bytes] no Debian fits into less */

#define DEBIAN_DEFAULT                                    \
	((struct debian_request){.suite = "bookworm",     \
		.mirror = "http://deb.debian.org/debian", \
		.size = UINT64_C(2) << 30})

/*
 * Makes a raw image of one ext4 file system with Debian: a kernel, systemd, DHCP, and a root
 * without a password who logs in at the console. Whatever ends usher, no mount and no process
 * stays; what a kill leaves in the folder for temporary files, the next call removes.
 * Return: 0; -EINVAL a word of the request; -EEXIST; -ENOENT a program is missing; -EINTR; -errno.
 */
int debian_make(const struct debian_request *q, struct err *e);

#endif
