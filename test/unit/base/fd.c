/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child without the descriptors of @closed (bits). Return: 0, or the line that is wrong. */
static int standard_check(unsigned closed)
{
	char byte = 0;

	for (int fd = 0; fd < 3; fd++)
		if (closed & 1u << fd)
			(void)close(fd);
	fd_fill_standard();
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) != 0) /* open, and inherited */
			return __LINE__;
		if (!(closed & 1u << fd))
			continue;
		if ((fd ? write(fd, &byte, 1) : read(fd, &byte, 1)) != -1 || errno != EBADF)
			return __LINE__;
	}
	return open("/dev/zero", O_RDONLY | O_CLOEXEC) > 2 ? 0 : __LINE__;
}

START_TEST(standard_descriptors_are_never_reused)
{
	for (unsigned closed = 0; closed < 8; closed++) {
		int status = -1;
		pid_t pid = fork();
		if (pid == 0)
			_exit(standard_check(closed));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

/* The linker replaces the system calls of this program: each transfers at most PART bytes. */
#define PART 3

ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
	return __real_pread64(fd, buf, len < PART ? len : PART, off);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	return __real_pwrite64(fd, buf, len < PART ? len : PART, off);
}

START_TEST(short_transfers_go_on)
{
	char path[] = "/tmp/usher-fd-XXXXXX", buf[8] = "";
	int fd = mkstemp(path);

	(void)unlink(path);
	ck_assert_int_eq(fd_write_full(fd, "01", 2), 0);
	ck_assert_int_eq(fd_pwrite_full(fd, "23456789", 8, 2), 0);
	ck_assert_int_eq(fd_pread_full(fd, buf, 7, 1), 0);
	ck_assert_str_eq(buf, "1234567");
	/* The file's own position is behind the first two bytes. */
	ck_assert_int_eq(fd_read_full(fd, buf, 7), 0);
	ck_assert_str_eq(buf, "2345678");
	ck_assert_int_eq(fd_read_full(fd, buf, 2), -EIO);
	ck_assert_int_eq(fd_pread_full(fd, buf, 7, 4), -EIO);
	ck_assert_int_eq(fd_pread_full(fd, buf, 1, -1), -EINVAL);
	(void)close(fd);
}
END_TEST

SUITE("fd", standard_descriptors_are_never_reused, short_transfers_go_on)
