/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

START_TEST(a_pipe_without_a_reader_is_an_error)
{
	int fds[2];

	signals_survive_writes();
	ck_assert_int_eq(pipe(fds), 0);
	(void)close(fds[0]);
	ck_assert_int_eq((int)write(fds[1], "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	(void)close(fds[1]);
}
END_TEST

START_TEST(a_file_at_its_limit_is_an_error)
{
	const struct rlimit none = {0};
	char path[] = "/tmp/usher-signals-XXXXXX";
	int fd = mkstemp(path);

	signals_survive_writes();
	(void)unlink(path);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	int written = (int)write(fd, "x", 1), error = errno;
	(void)close(fd);
	ck_assert_int_eq(written, -1);
	ck_assert_int_eq(error, EFBIG);
}
END_TEST

SUITE("signals", a_pipe_without_a_reader_is_an_error, a_file_at_its_limit_is_an_error)
