/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "engine/disk/image.h"
#include "engine/kernel/boot_image.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The kernel of an image with a format of its own: a real qemu-storage-daemon shows the content to
 * a real usher-image, each in a root of its own. 'kernel' is an ELF file that has to arrive as it
 * is; it lies behind the first MiB of its partition.
 */
static char home[] = "/tmp/usher-format-XXXXXX";
static struct boot_image image;
static struct err e;

/* 'fs' is a file system with the kernel, and 'disk' has it in its second partition. */
static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(home));
	sh("mkdir -p root/boot root/etc && : >root/etc/fstab && "
	   "{ printf '\\177ELF'; head -c 2000000 /dev/urandom; } >kernel && "
	   "cp kernel root/boot/vmlinuz-6.1 && echo initrd >root/boot/initrd.img-6.1 && "
	   "mke2fs -q -F -t ext4 -d root -U 12345678-1234-1234-1234-123456789abc fs 8M >/dev/null");
	sh("truncate -s 24M disk && printf '%%s\\n' 'label: gpt' 'start=2048, size=4096' "
	   "'start=8192, size=16384, uuid=AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' | "
	   "sfdisk --quiet disk && dd if=fs of=disk bs=512 seek=8192 conv=notrunc status=none");
}

static void teardown(void)
{
	boot_image_close(&image);
	sh("cd / && rm -rf %s", home);
}

/* The image @name, of format @format. Return: as boot_image_open(). */
static int look(const char *name, const char *format)
{
	char path[64];
	struct image_request q = {.path = path, .format = format, .run_dir = home};
	struct disk_image i = {0};

	e = (struct err){0};
	boot_image_close(&image);
	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	ck_assert_msg(image_chain_read(&q, &i.chain, &e) == 0, "%s", e.msg);
	ck_assert_msg(i.chain.stop.code == 0, "%s", i.chain.stop.msg);
	for (size_t n = 0; n < i.chain.count; n++) {
		i.claims[n] = open(i.chain.parts[n].path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(i.claims[n], 0);
	}
	int r = boot_image_open(path, &i, home, &image, &e);
	for (size_t n = 0; n < i.chain.count; n++)
		fd_close(&i.claims[n]);
	image_chain_close(&i.chain);
	return r;
}

static void expect_found(const char *name, const char *format, const char *root)
{
	ck_assert_msg(look(name, format) == 0, "%s: %s", format, e.msg);
	sh("cmp /proc/%d/fd/%d kernel", getpid(), image.kernel);
	sh("[ \"$(cat /proc/%d/fd/%d)\" = initrd ]", getpid(), image.initrd);
	ck_assert_str_eq(image.found.root, root);
}

START_TEST(each_format_is_read)
{
	static const char *const formats[] = {"qcow2", "vmdk", "vdi", "vhdx"};

	for (size_t i = 0; i < 4; i++) {
		sh("qemu-img convert -O %s disk image", formats[i]);
		expect_found("image", formats[i], "PARTUUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
		ck_assert_uint_eq(image.found.partition, 2);
	}
}
END_TEST

START_TEST(backing_files_are_read)
{
	sh("qemu-img convert -c -O qcow2 fs below && rm fs && "
	   "qemu-img create -q -f qcow2 -b below -F qcow2 over");
	expect_found("over", "qcow2", "UUID=12345678-1234-1234-1234-123456789abc");
	ck_assert_uint_eq(image.found.partition, 0);
}
END_TEST

START_TEST(an_image_without_a_kernel_is_described)
{
	sh("qemu-img create -q -f qcow2 image 12M");
	ck_assert_int_eq(look("image", "qcow2"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "no kernel found: the whole disk is unknown"));
	sh("qemu-img create -q -f qcow2 image 0");
	ck_assert_int_eq(look("image", "qcow2"), -EINVAL);
}
END_TEST

/* Its tables lead anywhere: no hang, and a sentence. */
START_TEST(damaged_images_are_refused_or_read)
{
	sh("qemu-img convert -O qcow2 disk whole");
	for (unsigned i = 0; i < 6; i++) {
		sh("cp whole image && head -c 512 /dev/urandom | "
		   "dd of=image bs=1 seek=%u conv=notrunc status=none",
			(2 + i) * 65536);
		int r = look("image", "qcow2");
		ck_assert_msg(r == 0 || (r == -EINVAL && e.msg[0]), "%d: %s", r, e.msg);
	}
}
END_TEST

START_TEST(a_daemon_that_ends_is_reported)
{
	char places[512];
	char *path = strdup(getenv("PATH"));

	sh("qemu-img convert -O qcow2 disk image && mkdir bin && "
	   "cp /bin/false bin/qemu-storage-daemon && ln -s \"$(command -v qemu-img)\" bin");
	(void)snprintf(places, sizeof(places), "%s/bin:%s", home, path);
	ck_assert_int_eq(setenv("PATH", places, 1), 0);
	int r = look("image", "qcow2");
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
	free(path);
	ck_assert_int_eq(r, -EIO);
	ck_assert_msg(strstr(e.msg, "qemu-storage-daemon does not start") != NULL, "%s", e.msg);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {each_format_is_read, backing_files_are_read,
		an_image_without_a_kernel_is_described, damaged_images_are_refused_or_read,
		a_daemon_that_ends_is_reported};
	TCase *c = suite_case("boot_format", tests, sizeof(tests) / sizeof(tests[0]));

	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("boot_format", c);
}
