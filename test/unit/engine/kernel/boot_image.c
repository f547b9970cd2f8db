/* SPDX-License-Identifier: MIT */
#include "engine/kernel/boot_image.h"

#include "base/err.h"
#include "base/fd.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Real images, and usher-image behind its walls. They are made by mke2fs and sfdisk, without a
 * mount; 'kernel' is an ELF file that has to arrive as it is.
 */
static char home[] = "/tmp/usher-image-XXXXXX";
static struct boot_image image;
static struct err e;

/* root/ becomes the file system of 'disk'. */
static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(home));
	sh("mkdir -p root/boot/grub root/etc && : >root/etc/fstab && "
	   "printf '\\177ELF and the rest of a kernel' >kernel && "
	   "head -c 300000 /dev/zero >>kernel && "
	   "cp kernel root/boot/vmlinuz-6.1 && echo initrd >root/boot/initrd.img-6.1");
}

static void teardown(void)
{
	boot_image_close(&image);
	if (system("true") == 0)
		sh("cd / && rm -rf %s", home);
}

static void make_disk(const char *type)
{
	sh("rm -f disk && "
	   "mke2fs -q -F -t %s -d root -U 12345678-1234-1234-1234-123456789abc disk 8M >/dev/null",
		type);
}

static int look(void)
{
	char path[64];

	e = (struct err){0};
	(void)snprintf(path, sizeof(path), "%s/disk", home);
	return boot_image_open(path, NULL, home, &image, &e);
}

static void expect_found(void)
{
	char kernel[64], initrd[64];

	ck_assert_msg(look() == 0, "%s", e.msg);
	(void)snprintf(kernel, sizeof(kernel), "cmp /proc/%d/fd/%d kernel", getpid(), image.kernel);
	sh("%s", kernel);
	(void)snprintf(initrd, sizeof(initrd), "[ \"$(cat /proc/%d/fd/%d)\" = initrd ]", getpid(),
		image.initrd);
	sh("%s", initrd);
	/* What was checked stays. */
	ck_assert_int_lt(pwrite(image.kernel, "x", 1, 0), 0);
}

static void expect_refused(const char *why)
{
	ck_assert_int_eq(look(), -EINVAL);
	ck_assert_msg(strstr(e.msg, why) != NULL, "'%s' is not '%s'", e.msg, why);
	ck_assert_int_eq(strncmp(e.msg, "--kernel-from: '", 16), 0);
	ck_assert_int_eq(image.kernel, -1);
}

START_TEST(a_whole_disk_of_each_kind_is_read)
{
	static const char *const types[] = {"ext2", "ext3", "ext4"};

	for (size_t i = 0; i < 3; i++) {
		make_disk(types[i]);
		expect_found();
		ck_assert_uint_eq(image.found.partition, 0);
		ck_assert_str_eq(image.found.kernel, "/boot/vmlinuz-6.1");
		ck_assert_str_eq(image.found.initrd, "/boot/initrd.img-6.1");
		ck_assert_str_eq(image.found.root, "UUID=12345678-1234-1234-1234-123456789abc");
		boot_image_close(&image);
	}
}
END_TEST

static void make_partitions(const char *label, const char *more)
{
	sh("mv disk fs && truncate -s 24M disk && printf '%%s\\n' 'label: %s' "
	   "'label-id: %s' 'start=2048, size=4096' 'start=8192, size=16384%s' | "
	   "sfdisk --quiet disk && dd if=fs of=disk bs=512 seek=8192 conv=notrunc status=none",
		label,
		strcmp(label, "dos") == 0 ? "0xdeadbeef" : "11111111-2222-4333-8444-555555555555",
		more);
}

START_TEST(partitions_are_named_as_the_kernel_does)
{
	make_disk("ext4");
	make_partitions("gpt", ", uuid=AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE");
	expect_found();
	ck_assert_uint_eq(image.found.partition, 2);
	ck_assert_str_eq(image.found.root, "PARTUUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
	boot_image_close(&image);
	make_disk("ext2");
	make_partitions("dos", "");
	expect_found();
	ck_assert_str_eq(image.found.root, "PARTUUID=deadbeef-02");
}
END_TEST

START_TEST(links_lead_to_the_kernel)
{
	sh("ln -s boot/vmlinuz-6.1 root/vmlinuz && ln -s /boot/initrd.img-6.1 root/initrd.img");
	make_disk("ext4");
	expect_found();
	ck_assert_str_eq(image.found.kernel, "/vmlinuz");
}
END_TEST

START_TEST(the_boot_loader_decides)
{
	sh("printf 'menuentry \"A System\" {\\nlinux /boot/vmlinuz-6.1 root=LABEL=x ro\\n"
	   "initrd /boot/initrd.img-6.1\\n}\\n' >root/boot/grub/grub.cfg");
	make_disk("ext4");
	expect_found();
	ck_assert_str_eq(image.found.options, "root=LABEL=x ro");
	ck_assert_str_eq(image.found.source, "/boot/grub/grub.cfg");
	ck_assert_str_eq(image.found.title, "A System");
}
END_TEST

/* Of several extents, with a hole and blocks that nobody has written: those hold older bytes. */
START_TEST(a_file_in_many_pieces)
{
	static const char *const types[] = {"ext2", "ext4"};

	sh("{ printf '\\177ELF'; head -c 1500000 /dev/urandom; } >kernel && "
	   "head -c 700001 /dev/urandom | "
	   "dd of=kernel oflag=seek_bytes seek=2500000 conv=notrunc status=none && "
	   "cp --sparse=always kernel root/boot/vmlinuz-6.1");
	for (size_t i = 0; i < 2; i++) {
		sh("head -c 8M /dev/urandom >disk && mke2fs -q -F -E nodiscard -b 1024 -t %s "
		   "-d root disk >/dev/null",
			types[i]);
		expect_found();
		boot_image_close(&image);
	}
	sh("debugfs -w -R 'fallocate /boot/vmlinuz-6.1 1600 1700' disk >/dev/null 2>&1 && "
	   "debugfs -R 'ex /boot/vmlinuz-6.1' disk 2>/dev/null | grep -q Uninit");
	expect_found();
}
END_TEST

START_TEST(several_initial_ram_disks_become_one)
{
	sh("printf abc >root/boot/micro && printf 'linux /boot/vmlinuz-6.1\\n"
	   "initrd /boot/micro /boot/initrd.img-6.1\\n' >root/boot/grub/grub.cfg");
	make_disk("ext4");
	ck_assert_msg(look() == 0, "%s", e.msg);
	sh("printf 'abc\\0initrd\\n' | cmp - /proc/%d/fd/%d", getpid(), image.initrd);
}
END_TEST

START_TEST(a_disk_without_a_kernel_is_described)
{
	sh("rm root/boot/vmlinuz-6.1");
	make_disk("ext4");
	expect_refused("no kernel found: the whole disk is ext4, no kernel");
	make_partitions("gpt", "");
	expect_refused("no kernel found: partition 1 is unknown, partition 2 is ext4, no kernel");
	ck_assert_ptr_nonnull(strstr(e.hint, "install a kernel"));
	sh("truncate -s 0 disk");
	ck_assert_int_eq(look(), -EINVAL);
	sh("truncate -s 12M disk");
	expect_refused("the whole disk is unknown");
	sh("mkswap -q -p 4096 disk");
	expect_refused("the whole disk is swap");
	ck_assert_ptr_nonnull(strstr(e.hint, "virt-get-kernel"));
	sh("rm disk && mkdir disk");
	expect_refused("neither a regular file nor a block device");
	sh("rmdir disk && mkfifo disk");
	expect_refused("neither a regular file nor a block device");
}
END_TEST

START_TEST(what_is_no_kernel_is_refused)
{
	sh("echo nothing >root/boot/vmlinuz-6.1");
	make_disk("ext4");
	expect_refused("'/boot/vmlinuz-6.1' is not a kernel image");
}
END_TEST

/* Sizes of terabytes, links in a ring, and names that a terminal obeys. */
START_TEST(hostile_trees_are_refused)
{
	sh("truncate -s 1G root/boot/vmlinuz-6.1");
	make_disk("ext4");
	expect_refused("'/boot/vmlinuz-6.1' has 1024 MiB; usher takes at most 256");
	sh("rm root/boot/vmlinuz-6.1 && ln -s vmlinuz-7 root/boot/vmlinuz-6.1 && "
	   "ln -s vmlinuz-6.1 root/boot/vmlinuz-7");
	make_disk("ext4");
	expect_refused("no kernel found");
	sh("rm root/boot/vmlinuz-7 && cp kernel \"$(printf 'root/boot/vmlinuz-9\\033[2J')\"");
	make_disk("ext4");
	ck_assert_msg(look() == 0, "%s", e.msg);
	ck_assert_str_eq(image.found.kernel, "/boot/vmlinuz-9?[2J");
}
END_TEST

/* Any byte of the file system's tables may be wrong: no hang, and a sentence. */
START_TEST(damaged_file_systems_are_refused_or_read)
{
	make_disk("ext4");
	sh("cp disk whole");
	for (unsigned i = 0; i < 24; i++) {
		sh("cp whole disk && head -c 64 /dev/urandom | "
		   "dd of=disk bs=1 seek=%u conv=notrunc status=none",
			1024 + i * 397);
		int r = look();
		ck_assert_msg(r == 0 || (r == -EINVAL && e.msg[0]), "%d: %s", r, e.msg);
		boot_image_close(&image);
	}
	sh("cp whole disk && truncate -s 1M disk");
	ck_assert_int_eq(look(), -EINVAL);
}
END_TEST

/* In place of usher-image: what has taken it over may answer anything, or nothing. */
START_TEST(an_answer_is_checked)
{
	static const char *const scripts[] = {"#!/bin/sh\nexit 0\n", "#!/bin/sh\nkill -SEGV $$\n",
		"#!/bin/sh\nprintf x >&$1\n", "#!/bin/sh\neval \"exec $1>&-\"\nexec sleep 1000\n"};
	static const char *const reasons[] = {
		"ended without an answer", "died of it", "no usable answer", "died of it"};
	char path[64];

	make_disk("ext4");
	(void)snprintf(path, sizeof(path), "%s/program", home);
	ck_assert_int_eq(setenv("USHER_IMAGE", path, 1), 0);
	for (size_t i = 0; i < 4; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		ck_assert_int_eq(fd_write_full(fd, scripts[i], strlen(scripts[i])), 0);
		(void)close(fd);
		expect_refused(reasons[i]);
	}
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_lt(look(), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_whole_disk_of_each_kind_is_read,
		partitions_are_named_as_the_kernel_does, links_lead_to_the_kernel,
		the_boot_loader_decides, a_file_in_many_pieces,
		several_initial_ram_disks_become_one, a_disk_without_a_kernel_is_described,
		what_is_no_kernel_is_refused, hostile_trees_are_refused,
		damaged_file_systems_are_refused_or_read, an_answer_is_checked};

	TCase *c = suite_case("boot_image", tests, sizeof(tests) / sizeof(tests[0]));

	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("boot_image", c);
}
