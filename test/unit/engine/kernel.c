/* SPDX-License-Identifier: MIT */
#include "engine/kernel.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A small bzImage: a setup part of five sectors, then a payload. The payload is the output of
 * `(printf '\177ELF'; head -c 60 /dev/zero) | gzip -9n`.
 */
static const uint8_t gzipped[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab,
	0x77, 0xf5, 0x71, 0x63, 0xa0, 0x00, 0x00, 0x00, 0x3a, 0xaa, 0x62, 0xba, 0x40, 0x00, 0x00,
	0x00};

static char dir[] = "/tmp/usher-kernel-XXXXXX";
static char path[64];

static void write_file(const void *data, size_t len)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(setenv("XDG_CACHE_HOME", dir, 1), 0);
	(void)snprintf(path, sizeof(path), "%s/kernel", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, data, len), 0);
	(void)close(fd);
}

static void cache_clean(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static size_t make_image(uint8_t image[4096], const void *payload, size_t len)
{
	memset(image, 0, 4096);
	image[0x1f1] = 4;
	memcpy(image + 0x202, "HdrS", 4);
	le16_put(image + 0x206, 0x020f);
	le32_put(image + 0x248, 16);
	le32_put(image + 0x24c, (uint32_t)len);
	memcpy(image + 5 * 512 + 16, payload, len);
	return 5 * 512 + 16 + len;
}

static void expect_no_kernel(const void *data, size_t len, const char *why)
{
	struct kernel k;
	struct err e = {0};

	write_file(data, len);
	ck_assert_int_eq(kernel_open(path, &k, &e), -ENOEXEC);
	ck_assert_msg(strstr(e.msg, why) != NULL, "%s", e.msg);
	cache_clean();
}

START_TEST(an_elf_file_is_itself)
{
	uint8_t elf[1024] = "\177ELF";
	struct kernel k;

	write_file(elf, sizeof(elf));
	ck_assert_int_eq(kernel_open(path, &k, NULL), 0);
	ck_assert_str_eq(k.path, path);
	ck_assert_int_eq(k.cached, 2);
	kernel_close(&k);
	cache_clean();
}
END_TEST

START_TEST(a_bzimage_is_unpacked_once)
{
	uint8_t image[4096], head[4];
	struct kernel k;
	struct err e = {0};

	write_file(image, make_image(image, gzipped, sizeof(gzipped)));
	ck_assert_msg(kernel_open(path, &k, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(k.cached, 0);
	ck_assert_int_eq(fd_pread_full(k.fd, head, 4, 0), 0);
	ck_assert_mem_eq(head, "\177ELF", 4);
	kernel_close(&k);
	ck_assert_int_eq(kernel_open(path, &k, &e), 0);
	ck_assert_int_eq(k.cached, 1);
	kernel_close(&k);
	cache_clean();
}
END_TEST

START_TEST(without_a_cache_it_lives_in_memory)
{
	uint8_t image[4096];
	struct kernel k;
	struct err e = {0};

	write_file(image, make_image(image, gzipped, sizeof(gzipped)));
	/* A file instead of the folder: no write succeeds, even for root. */
	ck_assert_int_eq(setenv("XDG_CACHE_HOME", path, 1), 0);
	ck_assert_msg(kernel_open(path, &k, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(strncmp(k.path, "/proc/self/fd/", 14), 0);
	struct stat st;
	ck_assert_int_eq(fstat(k.fd, &st), 0);
	ck_assert_int_eq(st.st_size, 64);
	kernel_close(&k);
	cache_clean();
}
END_TEST

START_TEST(refuses_what_is_no_kernel)
{
	uint8_t text[1024];

	memset(text, 'x', sizeof(text));
	expect_no_kernel(text, sizeof(text), "neither ELF nor bzImage");
}
END_TEST

START_TEST(refuses_short_files)
{
	expect_no_kernel("MZ", 2, "too short");
}
END_TEST

START_TEST(refuses_an_image_cut_short)
{
	uint8_t image[4096];
	size_t len = make_image(image, gzipped, sizeof(gzipped));

	expect_no_kernel(image, len - 4, "cut short");
}
END_TEST

START_TEST(refuses_a_damaged_payload)
{
	uint8_t image[4096], bad[sizeof(gzipped)];

	memcpy(bad, gzipped, sizeof(bad));
	bad[11] ^= 0xff;
	bad[13] ^= 0xff;
	size_t len = make_image(image, bad, sizeof(bad));
	struct kernel k;
	struct err e = {0};
	write_file(image, len);
	ck_assert_int_eq(kernel_open(path, &k, &e), -ENOEXEC);
	cache_clean();
}
END_TEST

START_TEST(refuses_a_folder)
{
	struct kernel k;
	struct err e = {0};

	ck_assert_int_eq(kernel_open("/tmp", &k, &e), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(e.msg, "not a regular file"));
}
END_TEST

SUITE("kernel", an_elf_file_is_itself, a_bzimage_is_unpacked_once,
	without_a_cache_it_lives_in_memory, refuses_what_is_no_kernel, refuses_short_files,
	refuses_an_image_cut_short, refuses_a_damaged_payload, refuses_a_folder)
