/* SPDX-License-Identifier: MIT */
#include "bind/writer.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/kernel_ops.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/usher-writer-XXXXXX";
static char path[FILE_PATH_MAX];

static struct bind_writer *start(void)
{
	struct bind_writer *w = NULL;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/attribute", dir), 0);
	ck_assert_int_eq(bind_writer_start(&w), 0);
	ck_assert_int_gt(bind_writer_pid(w), 0);
	return w;
}

static int put(struct bind_writer *w, const char *text, int timeout_ms, struct err *e)
{
	int r = bind_writer_ask(w, path, text, e);

	return r < 0 ? r : bind_writer_answer(w, timeout_ms, e);
}

static void stop(struct bind_writer *w)
{
	bind_writer_stop(w);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(writes_and_tells_errors)
{
	struct bind_writer *w = start();
	struct err e = {0};
	char text[16];

	ck_assert_int_eq(put(w, "vfio-pci", 1000, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "write 'vfio-pci' to "));
	ck_assert_int_eq(file_replace(path, "", 0, 0600), 0);
	ck_assert_msg(put(w, "vfio-pci", 1000, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(file_read(path, text, sizeof(text)), 8);
	ck_assert_str_eq(text, "vfio-pci");
	pid_t pid = bind_writer_pid(w);
	stop(w);
	ck_assert_int_eq(kill(pid, 0), -1); /* reaped, too */
}
END_TEST

START_TEST(outlives_a_write_that_hangs)
{
	struct bind_writer *w = start();
	struct err e = {0};

	/* open(2) of a pipe without a reader blocks, as a driver's remove() may. */
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(put(w, "x", 50, &e), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(e.msg, "the kernel did not come back"));
	ck_assert_int_eq(put(w, "x", 50, &e), -ETIMEDOUT);
	stop(w);
}
END_TEST

/* Two writers: the one that is done first answers first, and the other one may hang. */
START_TEST(works_side_by_side)
{
	struct bind_writer *w[3] = {start(), NULL, NULL};
	struct err e = {0};
	char other[FILE_PATH_MAX];

	ck_assert_int_eq(bind_writer_start(&w[2]), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(file_path(other, sizeof(other), "%s/other", dir), 0);
	ck_assert_int_eq(bind_writer_ask(w[0], path, "x", &e), 0);
	ck_assert_int_eq(bind_writer_ask(w[2], other, "x", &e), 0);
	ck_assert_int_eq(bind_writer_wait(w, 3, 10000), 2);
	ck_assert_int_eq(bind_writer_answer(w[2], 0, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.msg, "/other"));
	ck_assert_int_eq(bind_writer_wait(w, 3, 10), -ETIMEDOUT);
	/* With a reader, the first writer goes on. */
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind_writer_wait(w, 3, 10000), 0);
	ck_assert_int_eq(bind_writer_answer(w[0], 0, &e), 0);
	(void)close(fd);
	bind_writer_stop(w[2]);
	stop(w[0]);
}
END_TEST

START_TEST(holds_no_descriptor_of_ours)
{
	char link[64], target[256];
	int ours = open("/dev/null", O_RDONLY);
	struct bind_writer *w = start();
	struct err e = {0};
	int open_fds = 0;

	/* An answer proves that it has closed the descriptors. */
	ck_assert_int_eq(put(w, "x", 1000, &e), -ENOENT);
	for (int fd = 0; fd < 64; fd++) {
		(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", bind_writer_pid(w), fd);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		ck_assert_msg(strncmp(target, "socket:", 7) == 0, "%d is %s", fd, target);
		open_fds++;
	}
	ck_assert_int_eq(open_fds, 1);
	stop(w);
	(void)close(ours);
}
END_TEST

START_TEST(dies_with_its_parent)
{
	int tell[2];
	pid_t writer = 0;

	ck_assert_int_eq(pipe(tell), 0);
	pid_t child = fork();
	if (child == 0) {
		struct bind_writer *w = start();
		writer = bind_writer_pid(w);
		(void)rmdir(dir);
		if (write(tell[1], &writer, sizeof(writer)) < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq((int)read(tell[0], &writer, sizeof(writer)), (int)sizeof(writer));
	/* Only its death closes the other end of the socket. */
	for (int i = 0; i < 500 && kill(writer, 0) == 0; i++) {
		char stat[512];
		char file[64];
		(void)snprintf(file, sizeof(file), "/proc/%d/stat", writer);
		if (file_read(file, stat, sizeof(stat)) > 0 && strstr(stat, ") Z"))
			return;
		(void)usleep(10000);
	}
	ck_assert_int_eq(kill(writer, 0), -1);
}
END_TEST

START_TEST(waits_for_as_many_as_there_may_be)
{
	struct bind_writer *none[BIND_WRITERS_MAX + 1] = {NULL};

	ck_assert_int_eq(bind_writer_wait(none, BIND_WRITERS_MAX, 0), -ETIMEDOUT);
	ck_assert_int_eq(bind_writer_wait(none, BIND_WRITERS_MAX + 1, 0), -E2BIG);
}
END_TEST

SUITE("writer", writes_and_tells_errors, outlives_a_write_that_hangs, holds_no_descriptor_of_ours,
	dies_with_its_parent, waits_for_as_many_as_there_may_be, works_side_by_side)
