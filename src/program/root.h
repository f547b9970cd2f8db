/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_ROOT_H
#define PROGRAM_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define ROOT_FILES_MAX 20
#define ROOT_PATH_MAX 512

/*
 * A root file system of a program's own: empty but for the host's libraries, read-only, and these
 * files. Nothing else of the host has a path in it, and it has no /proc and no network.
 */
struct root {
	size_t count;
	struct root_file {
		char path[ROOT_PATH_MAX]; /* on the host, absolute */
		char name[ROOT_PATH_MAX]; /* in there, absolute */
		dev_t device; /* the very file: whatever has its path later is refused */
		ino_t number;
		bool writable;
	} files[ROOT_FILES_MAX];
	uint64_t room; /* [bytes] that the program may write to `made` */
	char made[32]; /* an empty file that the program may write, absolute; "": none */
	int made_line; /* a socket (wire_pair()): root_enter() sends the descriptor of `made` */
};

#define ROOT_NONE ((struct root){.made_line = -1})

/*
 * Adds the file at @path, which is open as @fd, as @name. Return: 0; -E2BIG, -ENAMETOOLONG, -errno.
 */
int root_add(struct root *r, const char *path, int fd, const char *name, bool writable);

/*
 * Leaves the host's file systems and networks. The calling process may mount, and has a mount
 * namespace of its own. @uid: the owner of `made`. Return: 0, -errno with the step that failed in
 * *@ret_step.
 */
int root_enter(const struct root *r, uid_t uid, const char **ret_step);

#endif
