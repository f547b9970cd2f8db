/* SPDX-License-Identifier: MIT */
#include "image/make.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/disk_claim.h"
#include "engine/image_chain.h"
#include "image/newfile.h"
#include "image/resize.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[] = "/tmp/usher-make-XXXXXX";
static struct resize_done done;
static struct err e;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(home));
	ck_assert_int_eq(chdir(home), 0);
}

static void teardown(void)
{
	sh("cd / && rm -rf %s", home);
}

static int make(const char *name, const char *format, uint64_t size)
{
	e = (struct err){0};
	return image_make(name, format, size, home, &e);
}

static int overlay(const char *name, const char *backing, const char *format)
{
	uint64_t size;

	const struct overlay_request q = {
		.path = name, .backing = backing, .format = format, .run_dir = home};

	e = (struct err){0};
	return image_overlay(&q, &size, &e);
}

static int resize(
	const char *name, const char *format, enum resize_how how, uint64_t bytes, bool shrink)
{
	const struct resize_request q = {name, format, how, bytes, shrink, home};

	e = (struct err){0};
	return image_resize(&q, &done, &e);
}

static uint64_t size_of(const char *name)
{
	const struct image_request q = {.path = name, .run_dir = home};
	struct image_chain c;

	ck_assert_msg(image_chain_read(&q, &c, &e) == 0, "%s", e.msg);
	const uint64_t size = c.parts[0].size;
	image_chain_close(&c);
	return size;
}

/* Only these files are in the folder. */
static void expect_files(const char *names)
{
	sh("[ \"$(ls -A | grep -v '^uid$' | tr '\\n' ' ')\" = '%s' ]", names);
}

START_TEST(makes_each_format)
{
	static const char *const formats[] = {"raw", "qcow2", "vmdk", "vhdx", "vdi", "vpc"};
	struct stat st;

	for (size_t i = 0; i < COUNT(formats); i++) {
		ck_assert_msg(make(formats[i], formats[i], GIB(1)) == 0, "%s", e.msg);
		ck_assert_uint_ge(size_of(formats[i]), GIB(1));
		ck_assert_int_eq(stat(formats[i], &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, 0600);
		ck_assert_int_lt(st.st_blocks, 4096);
	}
	/* Tables that are large, and empty. */
	ck_assert_msg(make("large", "vmdk", GIB(100) << 10) == 0, "%s", e.msg);
	ck_assert_uint_eq(size_of("large"), GIB(100) << 10);
	expect_files("large qcow2 raw vdi vhdx vmdk vpc ");
}
END_TEST

START_TEST(overwrites_nothing)
{
	sh("echo mine >there && ln -s nowhere link && mkdir folder");
	ck_assert_int_eq(make("there", "raw", MIB(1)), -EEXIST);
	ck_assert_int_eq(make("there", "qcow2", MIB(1)), -EEXIST);
	ck_assert_int_eq(make("link", "raw", MIB(1)), -EEXIST);
	ck_assert_int_eq(make("folder", "raw", MIB(1)), -EEXIST);
	ck_assert_int_lt(make("folder/", "raw", MIB(1)), 0);
	ck_assert_int_eq(make("absent/x", "raw", MIB(1)), -ENOENT);
	sh("[ \"$(cat there)\" = mine ] && ! [ -e nowhere ]");
	expect_files("folder link there ");
}
END_TEST

/* Somebody else makes the file in the meantime. */
START_TEST(gives_no_name_that_is_taken)
{
	struct newfile f;

	ck_assert_int_eq(newfile_open("disk", &f, &e), 0);
	sh("echo mine >disk");
	ck_assert_int_eq(newfile_finish(&f, &e), -EEXIST);
	newfile_close(&f);
	sh("[ \"$(cat disk)\" = mine ]");
	expect_files("disk ");
}
END_TEST

/* As on a file system without nameless files. */
START_TEST(gives_a_second_name)
{
	for (int i = 0; i < 2; i++) {
		struct newfile f = {.path = "disk", .name = "./.disk.usher"};
		f.fd = open(f.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		ck_assert_int_ge(f.fd, 0);
		ck_assert_int_eq(newfile_finish(&f, &e), i ? -EEXIST : 0);
		newfile_close(&f);
		expect_files("disk ");
	}
}
END_TEST

START_TEST(leaves_nothing_when_it_cannot_write)
{
	const struct rlimit small = {4096, RLIM_INFINITY};
	const struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY};

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(make("disk", "raw", MIB(1)), -EFBIG);
	ck_assert_int_lt(make("disk", "qcow2", MIB(1)), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &any), 0);
	expect_files("");
}
END_TEST

START_TEST(overlays)
{
	ck_assert_int_eq(make("base.img", "raw", MIB(8)), 0);
	ck_assert_msg(overlay("top.qcow2", "base.img", NULL) == 0, "%s", e.msg);
	ck_assert_uint_eq(size_of("top.qcow2"), MIB(8));
	/* A name of a protocol's form is one of a file. */
	sh("cp base.img json:x && mkdir sub");
	ck_assert_msg(overlay("odd.qcow2", "json:x", NULL) == 0, "%s", e.msg);
	sh("qemu-img info --backing-chain odd.qcow2 && mv base.img top.qcow2 sub && "
	   "qemu-img info --backing-chain sub/top.qcow2");
	ck_assert_msg(overlay("far.qcow2", "sub/base.img", NULL) == 0, "%s", e.msg);
	sh("qemu-img info --backing-chain far.qcow2");
	/* What does not hold together is no base. */
	sh("rm sub/base.img");
	ck_assert_int_eq(overlay("next.qcow2", "sub/top.qcow2", NULL), -EPERM);
	sh("! [ -e next.qcow2 ]");
}
END_TEST

START_TEST(believes_no_signature_alone)
{
	sh("qemu-img create -f qcow2 disk.img 8M");
	ck_assert_int_eq(resize("disk.img", NULL, RESIZE_BY, MIB(1), false), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "a guest may have written it"));
	ck_assert_int_eq(overlay("top.qcow2", "disk.img", NULL), -EINVAL);
	ck_assert_int_eq(resize("disk.img", "qcow2", RESIZE_BY, MIB(1), false), 0);
	ck_assert_uint_eq(size_of("disk.img"), MIB(9));
	sh("truncate -s 1M disk.qcow2");
	ck_assert_int_eq(resize("disk.qcow2", NULL, RESIZE_BY, MIB(1), false), -EINVAL);
	ck_assert_int_eq(resize("disk.qcow2", "raw", RESIZE_BY, MIB(1), false), 0);
	ck_assert_uint_eq(done.new, MIB(2));
}
END_TEST

START_TEST(shrinks_only_when_it_is_said)
{
	static const char *const names[] = {"disk.img", "disk.qcow2"};
	static const char *const formats[] = {"raw", "qcow2"};

	for (size_t i = 0; i < COUNT(names); i++) {
		ck_assert_int_eq(make(names[i], formats[i], MIB(8)), 0);
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_TO, MIB(4), false), -EPERM);
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_BY_LESS, MIB(4), false), -EPERM);
		ck_assert_uint_eq(size_of(names[i]), MIB(8));
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_BY_LESS, MIB(9), true), -EINVAL);
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_BY_LESS, MIB(8), true), -EINVAL);
		ck_assert_int_eq(
			resize(names[i], NULL, RESIZE_BY, UINT64_MAX - 511, true), -EINVAL);
		ck_assert_msg(resize(names[i], NULL, RESIZE_TO, MIB(4), true) == 0, "%s", e.msg);
		ck_assert_uint_eq(size_of(names[i]), MIB(4));
	}
}
END_TEST

START_TEST(keeps_off_an_image_in_use)
{
	static const char *const names[] = {"disk.img", "disk.qcow2"};
	static const char *const formats[] = {"raw", "qcow2"};

	for (size_t i = 0; i < COUNT(names); i++) {
		ck_assert_int_eq(make(names[i], formats[i], MIB(8)), 0);
		int fd = open(names[i], O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(disk_claim_lock(fd, names[i], false, &e), 0);
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_BY, MIB(1), false), -EBUSY);
		ck_assert_ptr_nonnull(strstr(e.msg, "another guest uses"));
		ck_assert_ptr_nonnull(strstr(e.hint, "stop that guest"));
		ck_assert_int_lt(overlay("top.qcow2", names[i], NULL), 0);
		(void)close(fd);
		ck_assert_int_eq(resize(names[i], NULL, RESIZE_BY, MIB(1), false), 0);
		ck_assert_uint_eq(size_of(names[i]), MIB(9));
	}
	sh("! [ -e top.qcow2 ]");
}
END_TEST

/* The header's backing file is not there for the program, and keeps its bytes. */
START_TEST(resizes_an_overlay_alone)
{
	ck_assert_int_eq(make("base.img", "raw", MIB(8)), 0);
	ck_assert_int_eq(overlay("top.qcow2", "base.img", NULL), 0);
	ck_assert_msg(resize("top.qcow2", NULL, RESIZE_BY, MIB(8), false) == 0, "%s", e.msg);
	ck_assert_uint_eq(size_of("top.qcow2"), MIB(16));
	ck_assert_int_eq(resize("base.img", NULL, RESIZE_TO, MIB(32), false), 0);
	ck_assert_int_eq(resize("top.qcow2", NULL, RESIZE_BY, MIB(8), false), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "smaller than its backing file"));
}
END_TEST

static bool swaps; /* another file comes to the path, and leaves it again */

int __real_image_chain_read(
	const struct image_request *q, struct image_chain *ret, struct err *err);
int __wrap_image_chain_read(
	const struct image_request *q, struct image_chain *ret, struct err *err);
int __wrap_image_chain_read(const struct image_request *q, struct image_chain *ret, struct err *err)
{
	if (!swaps)
		return __real_image_chain_read(q, ret, err);
	sh("mv disk.qcow2 away.qcow2 && mv large.qcow2 disk.qcow2");
	int r = __real_image_chain_read(q, ret, err);
	sh("mv disk.qcow2 large.qcow2 && mv away.qcow2 disk.qcow2");
	return r;
}

/* One is open and claimed: another's size, at the same path, is none of its own. */
START_TEST(takes_no_size_of_another_file)
{
	ck_assert_int_eq(make("disk.qcow2", "qcow2", MIB(8)), 0);
	ck_assert_int_eq(make("large.qcow2", "qcow2", MIB(64)), 0);
	swaps = true;
	ck_assert_int_eq(resize("disk.qcow2", NULL, RESIZE_BY, 512, false), -EBUSY);
	swaps = false;
	ck_assert_uint_eq(size_of("disk.qcow2"), MIB(8));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {makes_each_format, overwrites_nothing,
		gives_no_name_that_is_taken, gives_a_second_name,
		leaves_nothing_when_it_cannot_write, overlays, believes_no_signature_alone,
		shrinks_only_when_it_is_said, keeps_off_an_image_in_use, resizes_an_overlay_alone,
		takes_no_size_of_another_file};
	TCase *c = suite_case("image_make", tests, COUNT(tests));

	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("image_make", c);
}
