/* SPDX-License-Identifier: MIT */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Transfer all of @len bytes: repeat after short transfers and EINTR.
 * Return: 0, -errno; -EIO at the end of file.
 */
int fd_read_full(int fd, void *buf, size_t len);
int fd_write_full(int fd, const void *buf, size_t len);
int fd_pread_full(int fd, void *buf, size_t len, off_t off);
int fd_pwrite_full(int fd, const void *buf, size_t len, off_t off);

/* Turns close-on-exec on (1) or off (0). A child program inherits descriptors that have it off. */
int fd_set_cloexec(int fd, int on);

/* Closes *@fd, unless it is negative, and sets it to -1. */
void fd_close(int *fd);

/* Closes all but the @count descriptors in @kept, which it sorts. */
void fd_close_others(int *kept, size_t count);

/*
 * Occupies each of the descriptors 0, 1 and 2 that the caller of this program left closed: else the
 * next open() gets that number, and a message or a guest's console goes into a lock file, /dev/kvm
 * or a device. The substitutes are inherited, and a transfer fails with EBADF, as it would without.
 */
void fd_fill_standard(void);

/* False for such a substitute, and for any file that is open for reading only. */
bool fd_takes_output(int fd);

/* pidfd_open(2), which glibc has only since 2.36. Return: descriptor, -errno. */
int fd_pidfd_open(pid_t pid);

#endif
