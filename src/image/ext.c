/* SPDX-License-Identifier: MIT */
#include "image/ext.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "image/source.h"
#include "image/volume.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_SIZE ((size_t)1 << 20)

/*
 * The library reads blocks by a manager of ours: of a volume, whose disk may be no file. It opens
 * by a name, so the volume is passed beside it.
 */
static struct ext *opened;
static struct struct_io_manager volume_manager;

static errcode_t channel_open(const char *name, int flags, io_channel *ret)
{
	io_channel c = calloc(1, sizeof(*c));

	(void)name;
	(void)flags;
	if (!c)
		return EXT2_ET_NO_MEMORY;
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = &volume_manager;
	c->refcount = 1;
	c->private_data = opened;
	*ret = c;
	return 0;
}

static errcode_t channel_close(io_channel c)
{
	if (--c->refcount == 0)
		free(c);
	return 0;
}

static errcode_t channel_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

/* @count: of blocks; if it is negative, of bytes. */
static errcode_t channel_read(io_channel c, unsigned long long block, int count, void *data)
{
	const struct ext *x = c->private_data;
	const uint64_t size = (uint64_t)c->block_size;
	const uint64_t len = count < 0 ? (uint64_t)llabs(count) : (uint64_t)count * size;
	uint64_t off = 0;

	if (__builtin_mul_overflow((uint64_t)block, size, &off) || !range_ok(off, len, x->size) ||
		source_read(x->source, x->start + off, data, len) < 0)
		return EXT2_ET_SHORT_READ;
	return 0;
}

static errcode_t channel_read_low(io_channel c, unsigned long block, int count, void *data)
{
	return channel_read(c, block, count, data);
}

static errcode_t channel_flush(io_channel c)
{
	(void)c;
	return 0;
}

static struct struct_io_manager volume_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "volume",
	.open = channel_open,
	.close = channel_close,
	.set_blksize = channel_set_blksize,
	.read_blk = channel_read_low,
	.read_blk64 = channel_read,
	.flush = channel_flush,
};

int ext_open(const struct source *s, const struct volume *v, struct ext *ret, struct err *e)
{
	ret->source = s;
	ret->start = v->start;
	ret->size = v->size;
	opened = ret;
	initialize_ext2_error_table();
	errcode_t code =
		ext2fs_open2("volume", NULL, EXT2_FLAG_64BITS, 0, 0, &volume_manager, &ret->fs);
	return code ? err_say(e, -EINVAL, "read the file system: %s", error_message(code)) : 0;
}

void ext_close(struct ext *x)
{
	if (x->fs)
		(void)ext2fs_free(x->fs);
	x->fs = NULL;
}

bool ext_is_unclean(const struct ext *x)
{
	return ext2fs_has_feature_journal_needs_recovery(x->fs->super);
}

/* Follows symbolic links, at most as many as the library does. */
static errcode_t file_find(struct ext *x, const char *path, ext2_ino_t *ret, bool *is_regular)
{
	struct ext2_inode inode;

	errcode_t code = ext2fs_namei_follow(x->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, ret);
	if (!code)
		code = ext2fs_read_inode(x->fs, *ret, &inode);
	*is_regular = !code && LINUX_S_ISREG(inode.i_mode);
	return code;
}

static bool file_exists(void *arg, const char *path)
{
	bool is_regular = false;
	ext2_ino_t number;

	return file_find(arg, path, &number, &is_regular) == 0 && is_regular;
}

/* Return: 0 with the file, which ext2fs_file_close() closes; -ENOENT, -EFBIG, -EIO. */
static int file_open(struct ext *x, const char *path, uint64_t max, ext2_file_t *ret,
	uint64_t *size, struct err *e)
{
	bool is_regular = false;
	ext2_ino_t number;
	__u64 told = 0;

	errcode_t code = file_find(x, path, &number, &is_regular);
	if (code)
		return err_say(e, code == EXT2_ET_FILE_NOT_FOUND ? -ENOENT : -EIO, "'%s': %s", path,
			error_message(code));
	if (!is_regular)
		return err_say(e, -ENOENT, "'%s' is not a regular file", path);
	code = ext2fs_file_open(x->fs, number, 0, ret);
	if (!code)
		code = ext2fs_file_get_lsize(*ret, &told);
	if (code)
		return err_say(e, -EIO, "'%s': %s", path, error_message(code));
	*size = told;
	if (told <= max)
		return 0;
	(void)ext2fs_file_close(*ret);
	return err_say(e, -EFBIG, "'%s' has %" PRIu64 " MiB; usher takes at most %" PRIu64, path,
		*size >> 20, max >> 20);
}

/* Return: 0, -EIO. */
static int part_read(ext2_file_t file, void *buf, size_t len, const char *path, struct err *e)
{
	unsigned got = 0;

	errcode_t code = ext2fs_file_read(file, buf, (unsigned)len, &got);
	if (code)
		return err_say(e, -EIO, "'%s': %s", path, error_message(code));
	return got == len ? 0 : err_say(e, -EIO, "'%s' is cut short", path);
}

static int file_text(void *arg, const char *path, size_t max, char **ret)
{
	ext2_file_t file;
	uint64_t size;

	int r = file_open(arg, path, max, &file, &size, NULL);
	if (r < 0)
		return r;
	cleanup_free char *text = malloc(size + 1);
	r = text ? part_read(file, text, size, path, NULL) : -ENOMEM;
	(void)ext2fs_file_close(file);
	if (r < 0)
		return r;
	/* A text of ours ends at the first NUL. */
	text[size] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

struct listing {
	void (*each)(void *to, const char *name);
	void *to;
	size_t count;
};

static int name_list(
	struct ext2_dir_entry *entry, int offset, int block_size, char *block, void *arg)
{
	struct listing *l = arg;
	char name[EXT2_NAME_LEN + 1];

	(void)offset;
	(void)block_size;
	(void)block;
	size_t len = (size_t)ext2fs_dirent_name_len(entry);
	if (l->count++ == TREE_NAMES_MAX)
		return DIRENT_ABORT;
	memcpy(name, entry->name, len);
	name[len] = '\0';
	if (name[0] != '.')
		l->each(l->to, name);
	return 0;
}

static int folder_list(
	void *arg, const char *path, void (*each)(void *to, const char *name), void *to)
{
	struct ext *x = arg;
	struct listing l = {.each = each, .to = to};
	ext2_ino_t number;

	errcode_t code = ext2fs_namei_follow(x->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);
	if (!code)
		code = ext2fs_dir_iterate(x->fs, number, 0, NULL, name_list, &l);
	return code == EXT2_ET_FILE_NOT_FOUND ? -ENOENT : code ? -EIO : 0;
}

const struct tree_ops ext_tree_ops = {
	.read = file_text,
	.has_file = file_exists,
	.list = folder_list,
};

/* A file on its way out of the image. */
struct copying {
	const struct ext *x;
	const char *path;
	int to;
	uint64_t size, done; /* [bytes] */
	char *buf; /* COPY_SIZE */
	struct err *e;
};

static int piece_write(struct copying *c, size_t len)
{
	int r = fd_write_full(c->to, c->buf, len);

	if (r < 0)
		return err_set(c->e, r, "keep '%s'", c->path);
	c->done += len;
	return 0;
}

/* What the file system has no block for, or none that was written. */
static int zeros_copy(struct copying *c, uint64_t end)
{
	int r = 0;

	memset(c->buf, 0, COPY_SIZE);
	while (r == 0 && c->done < end)
		r = piece_write(c, (size_t)min_u64(end - c->done, COPY_SIZE));
	return r;
}

static int blocks_copy(struct copying *c, uint64_t off, uint64_t end)
{
	int r = 0;

	while (r == 0 && c->done < end) {
		const size_t len = (size_t)min_u64(end - c->done, COPY_SIZE);
		if (!range_ok(off, len, c->x->size))
			return err_say(c->e, -EIO, "'%s': it has a block beyond the end", c->path);
		r = source_read(c->x->source, c->x->start + off, c->buf, len);
		if (r < 0)
			return err_set(c->e, r, "read '%s'", c->path);
		r = piece_write(c, len);
		off += len;
	}
	return r;
}

static int extent_copy(struct copying *c, const struct ext2fs_extent *x)
{
	const uint64_t block = c->x->fs->blocksize, from = x->e_lblk * block;
	const uint64_t end = min_u64(from + x->e_len * block, c->size);

	if (from < c->done && c->done < c->size)
		return err_say(c->e, -EIO, "'%s': its extents are not in order", c->path);
	int r = zeros_copy(c, min_u64(from, c->size));
	if (r < 0)
		return r;
	return x->e_flags & EXT2_EXTENT_FLAGS_UNINIT ? zeros_copy(c, end)
						     : blocks_copy(c, x->e_pblk * block, end);
}

/* The library reads a block at a time; here each extent is read as a whole. */
static int extents_copy(struct copying *c, ext2_extent_handle_t handle)
{
	struct ext2fs_extent x;
	int r = 0;

	errcode_t code = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &x);
	while (r == 0 && !code) {
		if (x.e_flags & EXT2_EXTENT_FLAGS_LEAF)
			r = extent_copy(c, &x);
		code = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &x);
	}
	if (r < 0)
		return r;
	if (code != EXT2_ET_EXTENT_NO_NEXT)
		return err_say(c->e, -EIO, "'%s': %s", c->path, error_message(code));
	return zeros_copy(c, c->size);
}

static int parts_copy(struct copying *c, ext2_file_t file)
{
	int r = 0;

	while (r == 0 && c->done < c->size) {
		const size_t len = (size_t)min_u64(c->size - c->done, COPY_SIZE);
		r = part_read(file, c->buf, len, c->path, c->e);
		if (r == 0)
			r = piece_write(c, len);
	}
	return r;
}

static int file_copy(struct copying *c, ext2_file_t file)
{
	const struct ext2_inode *inode = ext2fs_file_get_inode(file);
	ext2_extent_handle_t handle;

	/* Not so a file of ext2, or one that is in its inode. */
	if ((inode->i_flags & (EXT4_EXTENTS_FL | EXT4_INLINE_DATA_FL)) != EXT4_EXTENTS_FL ||
		ext2fs_extent_open(c->x->fs, ext2fs_file_get_inode_num(file), &handle))
		return parts_copy(c, file);
	int r = extents_copy(c, handle);
	ext2fs_extent_free(handle);
	return r;
}

int64_t ext_copy(struct ext *x, const char *path, uint64_t max, int to, struct err *e)
{
	cleanup_free char *buf = malloc(COPY_SIZE);
	struct copying c = {.x = x, .path = path, .to = to, .buf = buf, .e = e};
	ext2_file_t file;

	if (!buf)
		return err_set(e, -ENOMEM, "'%s'", path);
	int r = file_open(x, path, max, &file, &c.size, e);
	if (r < 0)
		return r;
	r = file_copy(&c, file);
	(void)ext2fs_file_close(file);
	return r < 0 ? r : (int64_t)c.size;
}
