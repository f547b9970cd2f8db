/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
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

SUITE("fd", standard_descriptors_are_never_reused)
