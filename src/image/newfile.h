/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_NEWFILE_H
#define IMAGE_NEWFILE_H

#include <stdint.h>

struct err;

#define NEWFILE_PATH_MAX 512

/*
 * A file that gets its name when it is whole, and that never takes the name of another. Whatever
 * ends usher before, nothing is left: the file has no name then. A file system without nameless
 * files (NFS, FAT) has ".NAME.usher" meanwhile, which a kill leaves behind.
 */
struct newfile {
	char path[NEWFILE_PATH_MAX];
	char name[NEWFILE_PATH_MAX]; /* that it has meanwhile; "": none */
	int fd;
};

#define NEWFILE_NONE ((struct newfile){.fd = -1})

/* Return: 0; -EEXIST @path is there; -errno. */
int newfile_open(const char *path, struct newfile *ret, struct err *e);

/* Copies the first @size bytes of @fd, and leaves holes where it has holes or zeros. */
int newfile_copy(struct newfile *f, int fd, uint64_t size, struct err *e);

/* Gives it its name, on the disk. Return: 0; -EEXIST; -ENOSPC, -errno. */
int newfile_finish(struct newfile *f, struct err *e);

/* Closes it; one that was not finished is gone. */
void newfile_close(struct newfile *f);

#endif
