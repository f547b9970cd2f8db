/* SPDX-License-Identifier: MIT */
#include "engine/disk.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "engine/disk_claim.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static void image_make(const char *content, off_t size)
{
	(void)snprintf(path, sizeof(path), "/tmp/usher-disk.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	ck_assert_int_eq(ftruncate(fd, size), 0);
	(void)close(fd);
}

static struct guest_disk parsed(const char *text)
{
	struct guest_disk d;
	struct err e = {0};

	ck_assert_msg(disk_parse(text, &d, &e) == 0, "%s", e.msg);
	return d;
}

START_TEST(words_of_a_disk)
{
	static const char *const wrong[] = {"", ",ro", "a,rw", "a,serial=", "a,direct=maybe", "a,",
		"a,serial=twenty-one characters", "a,serial=\xc3\xa4", "a,queues=0", "a,queues=17",
		"a,queues=", "a,queues=-1", "a,poll", "a,poll=1", "a,format=", "a,format=vpc",
		"a,format=QCOW2", "a,backing=b", "a,format=raw,backing=b",
		"a,format=qcow2,backing=", "a,format=qcow2,serial=x", "a,format=vmdk,poll=on"};
	struct guest_disk d = parsed("/srv/image");
	struct err e = {0};

	ck_assert_str_eq(d.path, "/srv/image");
	ck_assert(!d.readonly && !d.serial[0] && d.direct == DISK_DIRECT_AUTO);
	ck_assert(d.queues == 1 && !d.poll);
	d = parsed("image,queues=16,poll=on");
	ck_assert(d.queues == DISK_QUEUES_MAX && d.poll);
	d = parsed("image,ro,serial=exactly twenty chars,direct=off");
	ck_assert(d.readonly && d.direct == DISK_DIRECT_OFF);
	ck_assert_str_eq(d.serial, "exactly twenty chars");
	ck_assert(parsed("image,direct=on").direct == DISK_DIRECT_ON);
	ck_assert(!disk_has_format(&d) && !d.backing[0]);
	d = parsed("image,format=raw");
	ck_assert(!disk_has_format(&d));
	d = parsed("image,format=qcow2,backing=/b c,ro,queues=2");
	ck_assert(disk_has_format(&d) && d.readonly);
	ck_assert_str_eq(d.backing, "/b c");
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(disk_parse(wrong[i], &d, &e) == -EINVAL, "'%s'", wrong[i]);
	ck_assert_int_eq(disk_parse("a,poll=maybe", &d, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--disk: poll=maybe: neither on nor off");
	char *deep = calloc(1, 2000);
	memset(deep, 'a', 1999);
	ck_assert_int_eq(disk_parse(deep, &d, &e), -EINVAL);
	free(deep);
}
END_TEST

/* Return: -errno; its sentence must have @what. */
static int refused(const char *words, const char *what)
{
	struct guest_disk d = parsed(path);
	struct disk k = DISK_NONE;
	struct err e = {0};
	char text[128];

	(void)snprintf(text, sizeof(text), "%s%s", path, words);
	d = parsed(text);
	int r = disk_open(&d, &k, &e);
	ck_assert_msg(r < 0 && strstr(e.msg, what), "%d '%s', not '%s'", r, e.msg, what);
	ck_assert_int_eq(k.fd, -1);
	return r;
}

static struct disk opened(const char *words)
{
	struct disk k = DISK_NONE;
	struct err e = {0};
	char text[128];

	(void)snprintf(text, sizeof(text), "%s%s", path, words);
	const struct guest_disk d = parsed(text);
	ck_assert_msg(disk_open(&d, &k, &e) == 0, "%s", e.msg);
	return k;
}

START_TEST(what_is_no_disk)
{
	image_make("", 0);
	ck_assert_int_eq(refused("", "is empty"), -EINVAL);
	ck_assert_int_eq(truncate(path, 513), 0);
	ck_assert_int_eq(refused("", "has 513 bytes"), -EINVAL);
	(void)unlink(path);
	ck_assert_int_eq(refused("", "No such file"), -EINVAL);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(refused("", "neither a regular file nor a block device"), -EINVAL);
	(void)unlink(path);
}
END_TEST

/* As a user without rights: the advice to read only is for who may read. */
static int hint_check(bool hinted)
{
	const struct guest_disk d = parsed(path);
	struct disk k = DISK_NONE;
	struct err e = {0};

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 2;
	return disk_open(&d, &k, &e) == -EINVAL && !!strstr(e.hint, ",ro") == hinted ? 0 : 1;
}

START_TEST(advises_only_what_helps)
{
	image_make("", 4096);
	for (int i = 0; i < 2; i++) {
		int status = 0;
		ck_assert_int_eq(chmod(path, i ? 0444 : 0), 0);
		const pid_t child = fork();
		if (child == 0)
			_exit(hint_check(i));
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
	}
	(void)unlink(path);
}
END_TEST

/* A guest would overwrite the head of it; and what only looks so is a disk if the user says it. */
START_TEST(what_looks_like_an_image)
{
	static const struct {
		const char *head, *name;
	} rows[] = {{"QFI\xfb\2", "a qcow2 image"}, {"# Disk DescriptorFile", "a vmdk image"},
		{"vhdxfile", "a vhdx image"}, {"conectix", "a vpc image"}, {"QED", "a qed image"},
		{"0123456789012345678901234567890123456789012345678901234567890123\x7f\x10\xda\xbe",
			"a vdi image"}};
	struct disk k;

	for (size_t i = 0; i < COUNT(rows); i++) {
		image_make(rows[i].head, 4096);
		ck_assert_int_eq(refused(",ro", rows[i].name), -EINVAL);
		k = opened(",format=raw");
		disk_close(&k);
		(void)unlink(path);
	}
	image_make("LUKS\xba\xbe", 4096);
	k = opened("");
	disk_close(&k);
	(void)unlink(path);
}
END_TEST

START_TEST(a_disk_has_sizes)
{
	image_make("", 3 * 4096);
	struct disk k = opened("");
	ck_assert_uint_eq(k.size, 3 * 4096);
	ck_assert(k.logical == 512 || (k.direct && k.logical == 4096));
	ck_assert(k.physical >= k.logical && is_pow2(k.physical));
	ck_assert_int_eq((fcntl(k.fd, F_GETFL) & (O_ACCMODE | O_NOATIME)), O_RDWR | O_NOATIME);
	disk_close(&k);
	k = opened(",ro,direct=off");
	ck_assert(!k.direct);
	ck_assert_int_eq((fcntl(k.fd, F_GETFL) & (O_ACCMODE | O_DIRECT)), O_RDONLY);
	disk_close(&k);
	(void)unlink(path);
}
END_TEST

START_TEST(an_image_has_one_writer_or_many_readers)
{
	image_make("", 4096);
	struct disk k = opened("");
	ck_assert_int_eq(refused("", "another guest uses"), -EINVAL);
	ck_assert_int_eq(refused(",ro", "may write to it"), -EINVAL);
	disk_close(&k);
	k = opened(",ro");
	ck_assert_int_eq(refused("", "another guest uses"), -EINVAL);
	struct disk other = opened(",ro");
	disk_close(&other);
	disk_close(&k);
	k = opened("");
	disk_close(&k);
	(void)unlink(path);
}
END_TEST

static void byte_lock(int fd, off_t at)
{
	struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &l), 0);
}

/* What QEMU 7.2 locks for a disk that its guest writes to: it reads, writes, and denies writes. */
START_TEST(an_image_of_qemu)
{
	image_make("", 4096);
	int fd = open(path, O_RDWR);
	byte_lock(fd, 100);
	byte_lock(fd, 101);
	byte_lock(fd, 201);
	byte_lock(fd, 203);
	ck_assert_int_eq(refused("", "another guest uses"), -EINVAL);
	ck_assert_int_eq(refused(",ro", "another guest uses"), -EINVAL);
	(void)close(fd);
	/* And one that only reads. */
	fd = open(path, O_RDONLY);
	byte_lock(fd, 100);
	byte_lock(fd, 201);
	byte_lock(fd, 203);
	ck_assert_int_eq(refused("", "another guest uses"), -EINVAL);
	struct disk k = opened(",ro");
	disk_close(&k);
	(void)close(fd);
	(void)unlink(path);
}
END_TEST

/* A child has the image open for a while after its parent, as the kernel has for an io_uring. */
START_TEST(waits_for_the_end_of_a_claim)
{
	image_make("", 4096);
	struct disk k = opened("");
	const pid_t child = fork();
	if (child == 0) {
		(void)usleep(200000);
		_exit(0);
	}
	disk_close(&k);
	ck_assert_int_eq(refused("", "another guest uses"), -EINVAL);
	disk_claim_await_end(path, false);
	k = opened("");
	disk_close(&k);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	(void)unlink(path);
}
END_TEST

/* Others may read an image longer, and a claim that does not end is waited for a while. */
START_TEST(waits_no_longer_than_it_makes_sense)
{
	image_make("", 4096);
	struct disk k = opened(",ro");
	int64_t begun = clock_ms();
	disk_claim_await_end(path, true);
	ck_assert_int_ge(clock_ms() - begun, DISK_CLAIM_SHARED_MS);
	disk_claim_await_end("/nowhere", false);
	disk_claim_await_end("/dev/null", false);
	ck_assert_int_lt(clock_ms() - begun, DISK_CLAIM_PATIENCE_MS);
	disk_close(&k);
	k = opened("");
	begun = clock_ms();
	disk_claim_await_end(path, false);
	ck_assert_int_ge(clock_ms() - begun, DISK_CLAIM_PATIENCE_MS);
	disk_close(&k);
	(void)unlink(path);
}
END_TEST

SUITE("disk", words_of_a_disk, what_is_no_disk, advises_only_what_helps, what_looks_like_an_image,
	a_disk_has_sizes, an_image_has_one_writer_or_many_readers, an_image_of_qemu,
	waits_for_the_end_of_a_claim, waits_no_longer_than_it_makes_sense)
