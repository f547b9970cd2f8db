/* SPDX-License-Identifier: MIT */
#include "engine/disk_claim.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/disk/image_use.h"
#include "hold/hold.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * QEMU locks one byte for each permission that a user of an image has, and one for each that it
 * denies to others. A lock here is a shared one, so that several users may have the same
 * permission; whoever wants one asks first whether anybody denies it.
 */
#define HAS_AT 100 /* + permission */
#define DENIES_AT 200 /* + permission */

#define LOOK_AGAIN_US 5000

enum permission { PERMISSION_READ = 0, PERMISSION_WRITE = 1, PERMISSION_RESIZE = 3 };

static int byte_lock(int fd, off_t at)
{
	struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

/* Whether another open file has a lock on that byte. A shared lock is met by an exclusive one. */
static bool byte_is_locked(int fd, off_t at)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* File systems without locks have none to respect. */
static bool is_lockless(int r)
{
	return r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL;
}

int disk_claim_lock(int fd, const char *path, bool readonly, struct err *e)
{
	const off_t mine[] = {HAS_AT + PERMISSION_READ, DENIES_AT + PERMISSION_WRITE,
		DENIES_AT + PERMISSION_RESIZE, HAS_AT + PERMISSION_WRITE};
	const off_t against[] = {DENIES_AT + PERMISSION_READ, HAS_AT + PERMISSION_WRITE,
		HAS_AT + PERMISSION_RESIZE, DENIES_AT + PERMISSION_WRITE};
	const size_t count = readonly ? COUNT(mine) - 1 : COUNT(mine);
	bool taken = false;

	/* First lock, then look: of two that start at once, at least one sees the other. */
	for (size_t i = 0; i < count; i++) {
		int r = byte_lock(fd, mine[i]);
		if (r < 0 && is_lockless(r))
			return 0;
		taken |= r < 0;
	}
	for (size_t i = 0; i < count; i++)
		taken |= byte_is_locked(fd, against[i]);
	if (!taken)
		return 0;
	err_say(e, -EINVAL, "another guest uses '%s'%s", path,
		readonly ? ", and may write to it" : "");
	err_hint(e, readonly ? "guests can share an image that all of them only read"
			     : "give this guest a copy; guests can share an image with ,ro");
	return -EINVAL;
}

/* The kernel's name of a block device: "sda1". Return: 0, -errno. */
static int block_name(struct host *h, dev_t number, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	int r = file_path(path, sizeof(path), "/sys/dev/block/%u:%u", major(number), minor(number));
	return r < 0 ? r : host_link_name(h, path, buf, size);
}

static int held_refuse(const char *path, const struct hold *o, struct err *e)
{
	char fix[HOLD_FIX_MAX];

	err_say(e, -EINVAL, "the host uses '%s': %s: %s", path, o->object, o->text);
	if (hold_fix(o, fix, sizeof(fix))[0])
		err_hint(e, "%s", fix);
	return -EINVAL;
}

static int block_check(struct host *h, const char *path, dev_t number, struct err *e)
{
	char name[64];
	struct holds holds;

	int r = block_name(h, number, name, sizeof(name));
	if (r < 0)
		return err_set(e, r, "find '%s' in /sys/dev/block", path);
	r = hold_find_disk(h, name, &holds, e);
	if (r < 0)
		return r;
	if (holds.count)
		r = held_refuse(path, &holds.list[0], e);
	holds_fini(&holds);
	return r;
}

int disk_claim_check(const char *path, const struct stat *st, struct err *e)
{
	struct host *h = host_live();

	if (!h)
		return err_set(e, -ENOMEM, "read the host");
	int r = S_ISBLK(st->st_mode) ? block_check(h, path, st->st_rdev, e)
				     : image_use_check(h, path, st, e);
	host_close(h);
	return r;
}

int disk_claim_refuse(const char *path, dev_t number, struct err *e)
{
	int r = -EINVAL;

	(void)number;
	err_say(e, r, "'%s' is in use: the kernel grants no exclusive use of it", path);
	err_hint(
		e, "a file system, a volume, a pool or another guest has it, or a partition of it");
	return r;
}

static bool disk_is_claimed(const char *path, bool readonly)
{
	struct stat st;

	if (stat(path, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return false;
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	cleanup_fd int fd = open(path, flags | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (fd < 0 || S_ISBLK(st.st_mode))
		return fd < 0 && errno == EBUSY;
	return byte_is_locked(fd, HAS_AT + (readonly ? PERMISSION_READ : PERMISSION_WRITE));
}

/*
 * The kernel takes the io_uring of a process apart some time after the process is gone, and until
 * then the disk is open. If the process was killed, a write may still be on its way, so the claim
 * is no mistake.
 */
void disk_claim_await_end(const char *path, bool readonly)
{
	const int64_t end = clock_ms() + (readonly ? DISK_CLAIM_SHARED_MS : DISK_CLAIM_PATIENCE_MS);

	while (disk_is_claimed(path, readonly) && clock_ms() < end)
		(void)usleep(LOOK_AGAIN_US);
}
