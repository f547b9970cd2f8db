/* SPDX-License-Identifier: MIT */
#include "engine/disk/image.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/env.h"
#include "engine/disk_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool disk_image_is_format(const char *name)
{
	static const char *const names[] = {"qcow2", "vmdk", "vhdx", "vdi"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int part_open(const struct image_part *p, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* A file system that does not know O_DIRECT says so at the open. */
static bool part_takes_direct(const struct image_part *p, const struct guest_disk *d)
{
	int fd = d->direct == DISK_DIRECT_OFF ? -1 : part_open(p, O_RDONLY | O_DIRECT);
	const bool takes = fd >= 0;

	fd_close(&fd);
	return takes;
}

static int part_refuse(
	const struct image_part *p, const struct stat *st, bool readonly, int r, struct err *e)
{
	if (r == -EBUSY && S_ISBLK(st->st_mode))
		return disk_claim_refuse(p->path, st->st_rdev, e);
	err_set(e, r, "open '%s'", p->path);
	if (!readonly && (r == -EROFS || r == -EACCES || r == -EPERM))
		err_hint(e, "the guest can read it: add the key ro");
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : -EINVAL;
}

/* Only the first file is written. */
static int part_claim(struct disk_image *i, size_t n, const struct guest_disk *d, struct err *e)
{
	const struct image_part *p = &i->chain.parts[n];
	const bool readonly = n || d->readonly;
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return err_set(e, -errno, "open '%s'", p->path);
	int r = disk_claim_check(p->path, &st, e);
	if (r < 0)
		return r;
	i->claims[n] =
		part_open(p, (readonly ? O_RDONLY : O_RDWR) | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (i->claims[n] < 0)
		return part_refuse(p, &st, readonly, i->claims[n], e);
	i->direct[n] = part_takes_direct(p, d);
	if (d->direct == DISK_DIRECT_ON && !i->direct[n]) {
		err_say(e, -EINVAL, "'%s' does not take direct I/O", p->path);
		err_hint(e, "leave direct=on out: the host's page cache serves it");
		return -EINVAL;
	}
	return S_ISREG(st.st_mode) ? disk_claim_lock(i->claims[n], p->path, readonly, e) : 0;
}

static int parts_claim(struct disk_image *i, const struct guest_disk *d, struct err *e)
{
	int r = 0;

	if (i->chain.stop.code) {
		*e = i->chain.stop;
		return -EINVAL;
	}
	for (size_t n = 0; r == 0 && n < i->chain.count; n++)
		r = part_claim(i, n, d, e);
	return r;
}

int disk_image_open(const struct guest_disk *d, struct disk_image **ret, struct err *e)
{
	const char *const backing[] = {d->backing};
	const struct image_request q = {.path = d->path,
		.format = d->format,
		.backing = backing,
		.backing_count = d->backing[0] ? 1 : 0,
		.run_dir = BIND_STATE_DIR};
	struct disk_image *i = calloc(1, sizeof(*i));

	if (!i)
		return err_set(e, -ENOMEM, "--disk: open '%s'", d->path);
	i->chain = IMAGE_CHAIN_NONE;
	for (size_t n = 0; n < IMAGE_CHAIN_MAX; n++)
		i->claims[n] = -1;
	int r = image_chain_read(&q, &i->chain, e);
	if (r == 0)
		r = parts_claim(i, d, e);
	if (r == 0) {
		*ret = i;
		return 0;
	}
	disk_image_free(i);
	return err_in(e, r == -ENOMEM ? r : -EINVAL, "--disk");
}

void disk_image_free(struct disk_image *i)
{
	if (!i)
		return;
	for (size_t n = 0; n < IMAGE_CHAIN_MAX; n++)
		fd_close(&i->claims[n]);
	image_chain_close(&i->chain);
	free(i);
}
