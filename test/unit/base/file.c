/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/usher-file-XXXXXX";

static void in_dir(char *buf, size_t size, const char *name)
{
	ck_assert_int_eq(file_path(buf, size, "%s/%s", dir, name), 0);
}

START_TEST(replaces_whole_files)
{
	char path[FILE_PATH_MAX], text[64];
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	in_dir(path, sizeof(path), "entry");
	ck_assert_int_eq(file_replace(path, "one\n", 4, 0600), 0);
	ck_assert_int_eq(file_read(path, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(file_replace(path, "two", 3, 0600), 0);
	ck_assert_int_eq(file_read(path, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "two");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(file_read(path, text, 3), -EFBIG);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0); /* no temporary file is left */
}
END_TEST

START_TEST(knows_what_a_crash_left)
{
	char top[] = "/tmp/usher-file-XXXXXX", path[FILE_PATH_MAX], broken[FILE_PATH_MAX];
	char name[8];

	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/17", top), 0);
	ck_assert_int_eq(file_path(broken, sizeof(broken), "%s.new", path), 0);
	ck_assert_int_eq(file_replace(path, "x", 1, 0600), 0);
	ck_assert_int_eq(file_replace(broken, "x", 1, 0600), 0);
	ck_assert_int_eq(file_remove(path), 0);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_lt(access(broken, F_OK), 0);
	ck_assert_int_eq(file_remove(path), 0);
	ck_assert_int_eq(file_remove(top), -EISDIR);
	ck_assert_int_eq(rmdir(top), 0);
	ck_assert(file_is_leftover("17.new", name, sizeof(name)));
	ck_assert_str_eq(name, "17");
	ck_assert(!file_is_leftover("17.new.x", name, sizeof(name)));
	ck_assert(!file_is_leftover(".new", name, sizeof(name)));
	ck_assert(!file_is_leftover("17", name, sizeof(name)));
	ck_assert_str_eq(name, "17");
	ck_assert(file_is_leftover("longer-than-that.new", name, sizeof(name)));
	ck_assert_str_eq(name, "");
}
END_TEST

/* The kernel kills the writer at its eleventh byte. The folder is as it was. */
static void write_and_be_killed(const char *path)
{
	static const struct rlimit little = {.rlim_cur = 10, .rlim_max = 10};
	static const char text[64];
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		(void)signal(SIGXFSZ, SIG_DFL);
		(void)setrlimit(RLIMIT_FSIZE, &little);
		(void)file_replace(path, text, sizeof(text), 0600);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

START_TEST(a_kill_leaves_nothing)
{
	char top[] = "/tmp/usher-file-XXXXXX", path[FILE_PATH_MAX], text[8];

	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/17", top), 0);
	write_and_be_killed(path);
	ck_assert_int_eq(rmdir(top), 0);
	ck_assert_int_eq(mkdir(top, 0700), 0);
	ck_assert_int_eq(file_replace(path, "old", 3, 0600), 0);
	write_and_be_killed(path);
	ck_assert_int_eq(file_read(path, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "old");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(top), 0);
}
END_TEST

/* /run is read-only: what is not there is removed; what is there is not. */
START_TEST(removes_nothing_of_a_read_only_file_system)
{
	char top[] = "/tmp/usher-file-XXXXXX", path[FILE_PATH_MAX], absent[FILE_PATH_MAX];

	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/17", top), 0);
	ck_assert_int_eq(file_path(absent, sizeof(absent), "%s/18", top), 0);
	/* Only root may mount. */
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("none", top, "tmpfs", 0, NULL) == 0) {
		ck_assert_int_eq(file_replace(path, "x", 1, 0600), 0);
		ck_assert_int_eq(mount(NULL, top, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
		ck_assert_int_eq(file_remove(absent), 0);
		ck_assert_int_eq(file_remove(path), -EROFS);
		ck_assert_int_eq(access(path, F_OK), 0);
		ck_assert_int_eq(umount(top), 0);
	}
	ck_assert_int_eq(rmdir(top), 0);
}
END_TEST

START_TEST(makes_folders)
{
	char top[] = "/tmp/usher-file-XXXXXX", path[FILE_PATH_MAX];

	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/a/b", top), 0);
	ck_assert_int_eq(file_mkdirs(path, 0700), 0);
	ck_assert_int_eq(file_mkdirs(path, 0700), 0);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/a", top), 0);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(top), 0);
}
END_TEST

START_TEST(escapes_what_a_terminal_would_obey)
{
	char text[32], small[8];

	file_escape(text, sizeof(text), "a\033[31mb\n");
	ck_assert_str_eq(text, "a\\x1b[31mb\\x0a");
	file_escape(small, sizeof(small), "abcdefghijkl");
	ck_assert_uint_lt(strlen(small), sizeof(small));
}
END_TEST

SUITE("file", replaces_whole_files, knows_what_a_crash_left, a_kill_leaves_nothing,
	removes_nothing_of_a_read_only_file_system, makes_folders,
	escapes_what_a_terminal_would_obey)
