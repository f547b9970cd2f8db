/* SPDX-License-Identifier: MIT */
#include "engine/disk.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/disk/image.h"
#include "engine/disk_claim.h"
#include "engine/image_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512 /* virtio counts in these, whatever the disk has. Ref: virtio 1.2, 5.2 */
#define PAGE 4096 /* enough for the memory alignment of each disk */

static int serial_parse(const char *text, struct guest_disk *d, struct err *e)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return err_say(e, -EINVAL, "--disk: serial=: only printable ASCII");
	if (!len || len > DISK_SERIAL_MAX)
		return err_say(e, -EINVAL, "--disk: serial=%.40s: 1 to %d characters", text,
			DISK_SERIAL_MAX);
	(void)snprintf(d->serial, sizeof(d->serial), "%s", text);
	return 0;
}

static int queues_parse(const char *text, struct guest_disk *d, struct err *e)
{
	uint64_t count = 0;

	if (num_parse(text, 10, DISK_QUEUES_MAX, &count) < 0 || !count)
		return err_say(e, -EINVAL, "--disk: queues=%.40s: not a number from 1 to %d", text,
			DISK_QUEUES_MAX);
	d->queues = (unsigned)count;
	return 0;
}

static int format_parse(const char *text, struct guest_disk *d, struct err *e)
{
	if (strcmp(text, "raw") != 0 && !disk_image_is_format(text))
		return err_say(e, -EINVAL,
			"--disk: format=%.40s: none of raw, qcow2, vmdk, vhdx and vdi", text);
	(void)snprintf(d->format, sizeof(d->format), "%s", text);
	return 0;
}

static int backing_parse(const char *text, struct guest_disk *d, struct err *e)
{
	if (!text[0] || strlen(text) >= sizeof(d->backing))
		return err_say(e, -EINVAL, "--disk: backing=%.40s: not a file's path", text);
	(void)snprintf(d->backing, sizeof(d->backing), "%s", text);
	return 0;
}

/* @at: where the value of @key begins. */
static int switch_parse(const char *key, size_t at, bool *ret, struct err *e)
{
	*ret = strcmp(key + at, "on") == 0;
	if (*ret || strcmp(key + at, "off") == 0)
		return 0;
	return err_say(e, -EINVAL, "--disk: %.40s: neither on nor off", key);
}

static int key_parse(const char *key, struct guest_disk *d, struct err *e)
{
	bool on = false;

	if (strcmp(key, "ro") == 0) {
		d->readonly = true;
		return 0;
	}
	if (strncmp(key, "format=", 7) == 0)
		return format_parse(key + 7, d, e);
	if (strncmp(key, "backing=", 8) == 0)
		return backing_parse(key + 8, d, e);
	if (strncmp(key, "serial=", 7) == 0)
		return serial_parse(key + 7, d, e);
	if (strncmp(key, "direct=", 7) == 0) {
		int r = switch_parse(key, 7, &on, e);
		d->direct = on ? DISK_DIRECT_ON : DISK_DIRECT_OFF;
		return r;
	}
	if (strncmp(key, "queues=", 7) == 0)
		return queues_parse(key + 7, d, e);
	if (strncmp(key, "poll=", 5) == 0)
		return switch_parse(key, 5, &d->poll, e);
	err_say(e, -EINVAL, "--disk: unknown key '%s'", key);
	err_hint(e, "keys: ro, format=NAME, backing=PATH, serial=TEXT, direct=on|off, queues=N, "
		    "poll=on|off; a path cannot have a comma");
	return -EINVAL;
}

bool disk_has_format(const struct guest_disk *d)
{
	return d->format[0] && strcmp(d->format, "raw") != 0;
}

/* What only one of the two ways to serve a disk has. */
static int keys_check(const struct guest_disk *d, struct err *e)
{
	if (!disk_has_format(d))
		return d->backing[0] ? err_say(e, -EINVAL,
					       "--disk: backing=: a raw image has no backing file")
				     : 0;
	if (d->serial[0])
		return err_say(e, -EINVAL,
			"--disk: serial=: a disk with format=%s gets it from QEMU", d->format);
	if (d->poll)
		return err_say(e, -EINVAL,
			"--disk: poll=on: usher-vmm does not serve a disk with "
			"format=%s itself",
			d->format);
	return 0;
}

int disk_parse(const char *text, struct guest_disk *ret, struct err *e)
{
	struct guest_disk d = {.queues = 1};
	char copy[2 * DISK_PATH_MAX + 128];
	char *rest = copy;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--disk: '%.40s…' is too long", text);
	const char *path = strsep(&rest, ",");
	if (!path[0] || strlen(path) >= sizeof(d.path))
		return err_say(e, -EINVAL, "--disk: '%.40s' is not a file's path", path);
	(void)snprintf(d.path, sizeof(d.path), "%s", path);
	while (rest) {
		int r = key_parse(strsep(&rest, ","), &d, e);
		if (r < 0)
			return r;
	}
	int r = keys_check(&d, e);
	if (r == 0)
		*ret = d;
	return r;
}

/* A guest would read, and overwrite, the head of an image of another format as its disk. */
static int format_check(const struct guest_disk *d, int fd, struct err *e)
{
	const struct image_format *f = NULL;

	if (d->format[0])
		return 0; /* the user knows what it is */
	int r = image_format_read(fd, &f);
	if (r < 0)
		return err_set(e, r, "--disk: read '%s'", d->path);
	/* A raw disk that its own system has encrypted looks like luks. */
	if (!f || strcmp(f->name, "raw") == 0 || strcmp(f->name, "luks") == 0)
		return 0;
	err_say(e, -EINVAL, "--disk: '%s' looks like a %s image, not a raw one", d->path, f->name);
	if (disk_image_is_format(f->name))
		err_hint(e,
			"if it is one: --disk %s,format=%s; what a guest has had as a raw disk may "
			"only look so: format=raw",
			d->path, f->name);
	else
		err_hint(e, "if it is one, qemu-img convert -O raw makes a raw one of it; else "
			    "format=raw");
	return -EINVAL;
}

static int size_check(const struct guest_disk *d, struct disk *k, struct err *e)
{
	if (!k->size)
		return err_say(e, -EINVAL, "--disk: '%s' is empty", d->path);
	if (k->size % SECTOR == 0)
		return 0;
	err_say(e, -EINVAL, "--disk: '%s' has %" PRIu64 " bytes, and a disk has a multiple of %d",
		d->path, k->size, SECTOR);
	err_hint(e, "a raw image that was cut off or is none; 'truncate --size=%%%d' rounds it up",
		SECTOR);
	return -EINVAL;
}

/* What a driver makes up, as of a card reader, need not be a power of two. */
static uint32_t physical_size(const struct disk *k, unsigned told)
{
	return is_pow2(told) && told >= k->logical ? told : k->logical;
}

/* Of a block device. Return: 0, -errno. */
static int block_measure(struct disk *k)
{
	int logical = 0;
	unsigned physical = 0;

	if (ioctl(k->fd, BLKGETSIZE64, &k->size) < 0 || ioctl(k->fd, BLKSSZGET, &logical) < 0 ||
		ioctl(k->fd, BLKPBSZGET, &physical) < 0)
		return -errno;
	k->logical = (uint32_t)logical;
	k->physical = physical_size(k, physical);
	k->size -= k->size % k->logical;
	return 0;
}

/* What the file system takes at once by direct I/O is not told before Linux 6.1: it is tried. */
static bool image_reads(int fd, void *page, size_t size)
{
	return pread(fd, page, size, 0) >= 0;
}

static int image_measure(struct disk *k, const struct stat *st)
{
	void *page = NULL;

	k->size = (uint64_t)st->st_size;
	k->logical = SECTOR;
	k->physical = PAGE;
	if (!k->direct)
		return 0;
	if (posix_memalign(&page, PAGE, PAGE))
		return -ENOMEM;
	if (!image_reads(k->fd, page, SECTOR))
		k->logical = image_reads(k->fd, page, PAGE) ? PAGE : 0;
	free(page);
	return k->logical && k->size % k->logical == 0 ? 0 : -EINVAL;
}

static int file_reopen(int path_fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/*
 * Spares each read of the guest a look at the file's times. The kernel permits it to the owner, and
 * to root; the others' disks work as well.
 */
static void reads_leave_no_time(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NOATIME);
}

/* Opens it one way, and learns its sizes. Return: 0, -errno. */
static int disk_try(int path_fd, const struct stat *st, int flags, struct disk *ret)
{
	struct disk k = {.direct = flags & O_DIRECT};

	k.fd = file_reopen(path_fd, flags);
	if (k.fd < 0)
		return k.fd;
	reads_leave_no_time(k.fd);
	int r = S_ISBLK(st->st_mode) ? block_measure(&k) : image_measure(&k, st);
	if (r < 0)
		fd_close(&k.fd);
	else
		*ret = k;
	return r;
}

static int open_refuse(const struct guest_disk *d, const struct stat *st, int r, struct err *e)
{
	if (r == -EBUSY && S_ISBLK(st->st_mode))
		return err_in(e, disk_claim_refuse(d->path, st->st_rdev, e), "--disk");
	if (r == -EINVAL && d->direct == DISK_DIRECT_ON) {
		err_say(e, r, "--disk: '%s' does not take direct I/O", d->path);
		err_hint(e, "leave direct=on out: the host's page cache serves it");
		return r;
	}
	err_set(e, r, "--disk: open '%s'", d->path);
	if (!d->readonly && faccessat(AT_FDCWD, d->path, R_OK, AT_EACCESS) == 0 &&
		(r == -EROFS || r == -EACCES || r == -EPERM))
		err_hint(e, "the guest can read it: --disk %s,ro", d->path);
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : -EINVAL;
}

static int disk_open_found(int path_fd, const struct guest_disk *d, const struct stat *st,
	struct disk *ret, struct err *e)
{
	const int flags = (d->readonly ? O_RDONLY : O_RDWR) | (S_ISBLK(st->st_mode) ? O_EXCL : 0);
	int r = -EINVAL;

	if (d->direct != DISK_DIRECT_OFF)
		r = disk_try(path_fd, st, flags | O_DIRECT, ret);
	if (r == -EINVAL && d->direct != DISK_DIRECT_ON)
		r = disk_try(path_fd, st, flags, ret);
	return r < 0 ? open_refuse(d, st, r, e) : 0;
}

/* By a descriptor of its own: direct I/O could not read eight bytes. */
static int content_check(int path_fd, const struct guest_disk *d, struct err *e)
{
	cleanup_fd int fd = file_reopen(path_fd, O_RDONLY);

	return fd < 0 ? err_set(e, fd, "--disk: open '%s'", d->path) : format_check(d, fd, e);
}

/* What is open now: is it a disk, and nobody else's? */
static int disk_accept(
	const struct guest_disk *d, struct disk *k, int path_fd, bool is_image, struct err *e)
{
	int r = content_check(path_fd, d, e);
	if (r < 0)
		return r;
	r = size_check(d, k, e);
	if (r < 0 || !is_image)
		return r;
	r = disk_claim_lock(k->fd, d->path, d->readonly, e);
	return r < 0 ? err_in(e, r, "--disk") : 0;
}

static int image_open(const struct guest_disk *d, struct disk *ret, struct err *e)
{
	struct disk k = DISK_NONE;

	int r = disk_image_open(d, &k.image, e);
	if (r < 0)
		return r;
	k.fd = k.image->claims[0];
	k.size = k.image->chain.parts[0].size;
	*ret = k;
	return 0;
}

int disk_open(const struct guest_disk *d, struct disk *ret, struct err *e)
{
	struct disk k = DISK_NONE;
	struct stat st;

	if (disk_has_format(d))
		return image_open(d, ret, e);
	cleanup_fd int path_fd = open(d->path, O_PATH | O_CLOEXEC);

	if (path_fd < 0 || fstat(path_fd, &st) < 0) {
		(void)err_set(e, -errno, "--disk: open '%s'", d->path);
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(e, -EINVAL,
			"--disk: '%s' is neither a regular file nor a block device", d->path);
	int r = disk_claim_check(d->path, &st, e);
	if (r < 0)
		return err_in(e, r, "--disk");
	r = disk_open_found(path_fd, d, &st, &k, e);
	if (r < 0)
		return r;
	r = disk_accept(d, &k, path_fd, S_ISREG(st.st_mode), e);
	if (r < 0)
		disk_close(&k);
	else
		*ret = k;
	return r;
}

void disk_close(struct disk *d)
{
	if (!d->image) {
		fd_close(&d->fd);
		return;
	}
	disk_image_free(d->image);
	*d = DISK_NONE;
}
