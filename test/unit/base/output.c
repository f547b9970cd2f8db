/* SPDX-License-Identifier: MIT */
#include "base/output.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRANGER 65534

/* A folder like /tmp, and next to it a file in a folder that only the caller may write. */
struct folder {
	char top[32];
	char shared[FILE_PATH_MAX], victim[FILE_PATH_MAX], path[FILE_PATH_MAX];
};

static struct folder folder_make(void)
{
	struct folder f = {.top = "/tmp/usher-output-XXXXXX"};

	ck_assert_ptr_nonnull(mkdtemp(f.top));
	ck_assert_int_eq(file_path(f.shared, sizeof(f.shared), "%s/shared", f.top), 0);
	ck_assert_int_eq(file_path(f.victim, sizeof(f.victim), "%s/victim", f.top), 0);
	ck_assert_int_eq(file_path(f.path, sizeof(f.path), "%s/out", f.shared), 0);
	ck_assert_int_eq(mkdir(f.shared, 0700), 0);
	ck_assert_int_eq(chmod(f.shared, 01777), 0);
	ck_assert_int_eq(file_replace(f.victim, "precious", 8, 0600), 0);
	return f;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void folder_remove(const struct folder *f)
{
	ck_assert_int_eq(nftw(f->top, entry_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void expect_text(const char *path, const char *expected)
{
	char text[64];

	ck_assert_int_ge(file_read(path, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

/* usher refuses to write to @path in both ways, and the victim keeps its text. */
static void expect_refused(const struct folder *f, const char *path)
{
	struct err e = {0};

	ck_assert_int_eq(output_write("snapshot", path, "text", 4, 0644, &e), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.msg, "another user"));
	ck_assert_ptr_nonnull(strstr(e.msg, path));
	ck_assert_str_ne(e.hint, "");
	ck_assert_int_eq(output_open("statistics", path, 0644, &e), -EPERM);
	expect_text(f->victim, "precious");
}

/* Only root can make files that belong to another user. */
static bool is_root(void)
{
	return geteuid() == 0;
}

START_TEST(follows_no_link_of_another_user)
{
	struct folder f;
	char below[FILE_PATH_MAX];

	if (!is_root())
		return;
	f = folder_make();
	ck_assert_int_eq(symlink(f.victim, f.path), 0);
	ck_assert_int_eq(lchown(f.path, STRANGER, STRANGER), 0);
	expect_refused(&f, f.path);
	/* The same for a link in the middle of the path. */
	ck_assert_int_eq(unlink(f.path), 0);
	ck_assert_int_eq(symlink(f.top, f.path), 0);
	ck_assert_int_eq(lchown(f.path, STRANGER, STRANGER), 0);
	ck_assert_int_eq(file_path(below, sizeof(below), "%s/victim", f.path), 0);
	expect_refused(&f, below);
	folder_remove(&f);
}
END_TEST

START_TEST(follows_no_link_to_a_link_of_another_user)
{
	struct folder f;
	char own[FILE_PATH_MAX];

	if (!is_root())
		return;
	f = folder_make();
	ck_assert_int_eq(file_path(own, sizeof(own), "%s/own", f.top), 0);
	ck_assert_int_eq(symlink("shared/out", own), 0);
	ck_assert_int_eq(symlink("../victim", f.path), 0);
	ck_assert_int_eq(lchown(f.path, STRANGER, STRANGER), 0);
	expect_refused(&f, own);
	folder_remove(&f);
}
END_TEST

START_TEST(keeps_files_of_other_users)
{
	struct folder f;

	if (!is_root())
		return;
	f = folder_make();
	ck_assert_int_eq(file_replace(f.path, "theirs", 6, 0666), 0);
	ck_assert_int_eq(chown(f.path, STRANGER, STRANGER), 0);
	expect_refused(&f, f.path);
	expect_text(f.path, "theirs");
	ck_assert_int_eq(unlink(f.path), 0);
	/*
	 * A FIFO of another user would get the text. To open one must not wait for a reader,
	 * either.
	 */
	ck_assert_int_eq(mkfifo(f.path, 0666), 0);
	ck_assert_int_eq(chown(f.path, STRANGER, STRANGER), 0);
	expect_refused(&f, f.path);
	folder_remove(&f);
}
END_TEST

START_TEST(empties_no_file_through_a_second_name)
{
	struct folder f = folder_make();
	struct err e = {0};

	ck_assert_int_eq(link(f.victim, f.path), 0);
	ck_assert_int_eq(output_open("statistics", f.path, 0644, &e), -EPERM);
	expect_text(f.victim, "precious");
	/* file_replace() replaces the link, not its target. */
	ck_assert_int_eq(output_write("snapshot", f.path, "text", 4, 0644, &e), 0);
	expect_text(f.path, "text");
	expect_text(f.victim, "precious");
	folder_remove(&f);
}
END_TEST

/* The caller of output_open() may have a device taken, so it must not block for ever. */
START_TEST(waits_for_no_reader_of_a_fifo)
{
	struct folder f = folder_make();
	struct err e = {0};

	ck_assert_int_eq(mkfifo(f.path, 0600), 0);
	ck_assert_int_eq(output_open("statistics", f.path, 0644, &e), -ENXIO);
	ck_assert_ptr_nonnull(strstr(e.msg, "nobody reads from it"));
	int reader = open(f.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int fd = output_open("statistics", f.path, 0644, &e);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(fd, "text", 4), 4);
	(void)close(fd);
	(void)close(reader);
	folder_remove(&f);
}
END_TEST

START_TEST(follows_own_links)
{
	struct folder f = folder_make();
	char new[FILE_PATH_MAX];
	struct err e = {0};
	struct stat st;

	ck_assert_int_eq(symlink("../victim", f.path), 0);
	ck_assert_int_eq(output_write("snapshot", f.path, "text", 4, 0640, &e), 0);
	expect_text(f.victim, "text");
	int fd = output_open("statistics", f.path, 0644, &e);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "more", 4), 4);
	ck_assert_int_eq(close(fd), 0);
	expect_text(f.victim, "more");
	ck_assert_int_eq(lstat(f.path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	/* A dangling link of the same user: the file is created, as a shell does. */
	ck_assert_int_eq(unlink(f.victim), 0);
	ck_assert_int_eq(output_write("snapshot", f.path, "new", 3, 0600, &e), 0);
	expect_text(f.victim, "new");
	ck_assert_int_eq(file_path(new, sizeof(new), "%s//./shared/../new", f.top), 0);
	ck_assert_int_eq(output_write("snapshot", new, "new", 3, 0600, &e), 0);
	expect_text(new, "new");
	folder_remove(&f);
}
END_TEST

START_TEST(writes_where_a_pipe_ends)
{
	int ends[2];
	char path[64], text[8] = "";
	struct err e = {0};

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(file_path(path, sizeof(path), "/proc/self/fd/%d", ends[1]), 0);
	ck_assert_int_eq(output_write("snapshot", path, "text", 4, 0644, &e), 0);
	ck_assert_int_eq(read(ends[0], text, sizeof(text)), 4);
	ck_assert_str_eq(text, "text");
	ck_assert_int_eq(output_write("snapshot", "/dev/null", "text", 4, 0644, &e), 0);
	ck_assert_int_eq(access("/dev/null", W_OK), 0);
}
END_TEST

START_TEST(names_what_is_no_file)
{
	struct folder f = folder_make();
	char loop[FILE_PATH_MAX];
	struct err e = {0};

	ck_assert_int_eq(output_write("snapshot", f.shared, "text", 4, 0644, &e), -EISDIR);
	ck_assert_int_eq(output_write("snapshot", "/", "text", 4, 0644, &e), -EISDIR);
	ck_assert_int_eq(output_write("snapshot", "", "text", 4, 0644, &e), -ENOENT);
	ck_assert_int_eq(output_write("snapshot", "/nonexistent/x", "text", 4, 0644, &e), -ENOENT);
	ck_assert_str_eq(e.msg, "write snapshot '/nonexistent/x': No such file or directory");
	ck_assert_int_eq(file_path(loop, sizeof(loop), "%s/loop", f.top), 0);
	ck_assert_int_eq(symlink("loop", loop), 0);
	ck_assert_int_eq(output_open("statistics", loop, 0644, &e), -ELOOP);
	folder_remove(&f);
}
END_TEST

/* Another user knows the name of the file, and of no other. */
START_TEST(needs_no_name_that_others_can_take)
{
	struct folder f = folder_make();
	char long_name[FILE_PATH_MAX];
	struct err e = {0};

	ck_assert_int_eq(file_path(long_name, sizeof(long_name), "%s.new", f.path), 0);
	ck_assert_int_eq(mkdir(long_name, 0700), 0);
	ck_assert_msg(output_write("test", f.path, "text", 4, 0644, &e) == 0, "%s", e.msg);
	expect_text(f.path, "text");
	ck_assert_int_eq(file_path(long_name, sizeof(long_name), "%s/%0255d", f.shared, 7), 0);
	ck_assert_msg(output_write("test", long_name, "long", 4, 0644, &e) == 0, "%s", e.msg);
	expect_text(long_name, "long");
	folder_remove(&f);
}
END_TEST

/* Without . and .. */
static int count_names(const char *path)
{
	cleanup_dir DIR *d = opendir(path);
	int count = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		count++;
	return count - 2;
}

/* The kernel ends the writer in the middle of the file, when that reaches its limit of size. */
START_TEST(leaves_nothing_when_it_dies)
{
	const struct rlimit limit = {.rlim_cur = 1 << 16, .rlim_max = 1 << 16};
	static char text[1 << 20];
	struct folder f = folder_make();
	int status;
	struct err e = {0};

	ck_assert_int_eq(file_replace(f.path, "before", 6, 0600), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)signal(SIGXFSZ, SIG_DFL);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
		_exit(output_write("snapshot", f.path, text, sizeof(text), 0600, &e) < 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
	ck_assert_int_eq(count_names(f.shared), 1);
	expect_text(f.path, "before");
	folder_remove(&f);
}
END_TEST

SUITE("output", leaves_nothing_when_it_dies, needs_no_name_that_others_can_take,
	follows_no_link_of_another_user, follows_no_link_to_a_link_of_another_user,
	keeps_files_of_other_users, empties_no_file_through_a_second_name,
	waits_for_no_reader_of_a_fifo, follows_own_links, writes_where_a_pipe_ends,
	names_what_is_no_file)
