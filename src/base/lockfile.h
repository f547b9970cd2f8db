/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOCKFILE_H
#define BASE_LOCKFILE_H

/*
 * A file whose lock (flock) marks an owner that lives: the kernel drops the lock when the owner
 * dies. The owner removes the file at its end. Another process may have opened the file just before
 * that, and would lock a file that has no name any more; so whoever gets the lock looks whether the
 * file still has its name.
 */

/* Never waits. Return: a descriptor that holds the lock; -EWOULDBLOCK it is held; -errno. */
int lockfile_take(const char *path);

/* Removes the file, then closes *@fd and sets it to -1. */
void lockfile_drop(const char *path, int *fd);

#endif
