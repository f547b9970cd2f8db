/* SPDX-License-Identifier: MIT */
#include "engine/kernel.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/unpack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works. A bzImage is a real-mode setup part, followed by a small program that contains the
 * compressed vmlinux. The setup header (Documentation/arch/x86/boot.rst, protocol 2.08 and later)
 * says where that payload lies. usher-vmm enters the vmlinux by its PVH note.
 */
#define BOOT_HEADER_SIZE 0x268
#define BOOT_SETUP_SECTS 0x1f1
#define BOOT_MAGIC 0x202 /* "HdrS" */
#define BOOT_VERSION 0x206
#define BOOT_PAYLOAD_OFFSET 0x248
#define BOOT_PAYLOAD_LENGTH 0x24c
#define BOOT_VERSION_PAYLOAD 0x0208 /* first protocol with the payload's offset */
#define TAIL_SIZE 4096
#define PAYLOAD_MAX MIB(256)
#define VMLINUX_MAX MIB(512)

struct image {
	int fd;
	struct stat st;
	uint8_t head[BOOT_HEADER_SIZE];
	uint64_t payload_off; /* in the file */
	uint64_t payload_len;
};

static int not_a_kernel(const char *path, const char *why, struct err *e)
{
	err_say(e, -ENOEXEC, "'%s' is not a kernel image: %s", path, why);
	err_hint(e, "give a bzImage (/boot/vmlinuz-…) or an ELF vmlinux");
	return -ENOEXEC;
}

static int find_payload(const char *path, struct image *img, struct err *e)
{
	const uint8_t *h = img->head;
	unsigned sects = h[BOOT_SETUP_SECTS] ? h[BOOT_SETUP_SECTS] : 4;

	if (memcmp(h + BOOT_MAGIC, "HdrS", 4) != 0)
		return not_a_kernel(path, "neither ELF nor bzImage", e);
	if (le16_get(h + BOOT_VERSION) < BOOT_VERSION_PAYLOAD)
		return not_a_kernel(path, "its boot protocol is older than 2.08", e);
	img->payload_off = (uint64_t)(sects + 1) * 512 + le32_get(h + BOOT_PAYLOAD_OFFSET);
	img->payload_len = le32_get(h + BOOT_PAYLOAD_LENGTH);
	if (img->payload_len < 16 || img->payload_len > PAYLOAD_MAX ||
		!range_ok(img->payload_off, img->payload_len, (uint64_t)img->st.st_size))
		return not_a_kernel(path, "cut short or damaged", e);
	return 0;
}

/* Return: 1 for ELF, 0 for a bzImage whose payload is found, -errno. */
static int image_read(const char *path, struct image *img, struct err *e)
{
	if (fstat(img->fd, &img->st) < 0)
		return err_set(e, -errno, "stat '%s'", path);
	if (!S_ISREG(img->st.st_mode))
		return not_a_kernel(path, "not a regular file", e);
	int r = fd_pread_full(img->fd, img->head, sizeof(img->head), 0);
	if (r == -EIO)
		return not_a_kernel(path, "too short", e);
	if (r < 0)
		return err_set(e, r, "read '%s'", path);
	if (memcmp(img->head, ELFMAG, SELFMAG) == 0)
		return 1;
	return find_payload(path, img, e);
}

/* FNV-1a. It is a cache key, not a proof: the name has the size and time of the file as well. */
static uint64_t hash_bytes(uint64_t h, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int cache_dir(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return file_path(buf, size, "%s/usher/kernel", xdg);
	if (home && home[0] == '/' && strcmp(home, "/") != 0)
		return file_path(buf, size, "%s/.cache/usher/kernel", home);
	return file_path(buf, size, "/var/cache/usher/kernel");
}

static int cache_name(const struct image *img, char *buf, size_t size)
{
	uint8_t tail[TAIL_SIZE];
	char dir[FILE_PATH_MAX];
	off_t end = img->st.st_size > TAIL_SIZE ? img->st.st_size - TAIL_SIZE : 0;
	size_t len = (size_t)(img->st.st_size - end);

	int r = fd_pread_full(img->fd, tail, len, end);
	if (r < 0)
		return r;
	uint64_t h = hash_bytes(UINT64_C(0xcbf29ce484222325), img->head, sizeof(img->head));
	h = hash_bytes(h, tail, len);
	r = cache_dir(dir, sizeof(dir));
	if (r < 0)
		return r;
	return file_path(buf, size, "%s/vmlinux-%" PRIx64 "-%" PRIx64 "-%016" PRIx64, dir,
		(uint64_t)img->st.st_size, (uint64_t)img->st.st_mtim.tv_sec, h);
}

static int open_cached(const char *name, struct kernel *k)
{
	uint8_t magic[SELFMAG];
	cleanup_fd int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -errno;
	/* Another user's file in the cache could put any kernel into a guest. */
	if (fstat(fd, &st) < 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	if (fd_pread_full(fd, magic, sizeof(magic), 0) < 0 || memcmp(magic, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	int r = file_path(k->path, sizeof(k->path), "%s", name);
	if (r == 0)
		k->fd = TAKE_FD(fd);
	return r;
}

static int keep_in_memory(const void *data, size_t len, struct kernel *k)
{
	cleanup_fd int fd = memfd_create("vmlinux", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = fd_write_full(fd, data, len);
	if (r < 0)
		return r;
	/* For messages; usher-vmm gets the descriptor. */
	r = file_path(k->path, sizeof(k->path), "/proc/self/fd/%d", fd);
	if (r == 0)
		k->fd = TAKE_FD(fd);
	return r;
}

static int keep_vmlinux(const char *name, const void *data, size_t len, struct kernel *k)
{
	char dir[FILE_PATH_MAX];

	if (name[0] &&
		file_path(dir, sizeof(dir), "%.*s", (int)(file_base(name) - name - 1), name) == 0 &&
		file_mkdirs(dir, 0755) == 0 && file_replace(name, data, len, 0644) == 0 &&
		open_cached(name, k) == 0)
		return 0;
	return keep_in_memory(data, len, k);
}

/* The unpacked kernel: in memory, or straight in a file. */
struct unpacked {
	int fd; /* -1: in memory */
	char *bytes;
	size_t len, room;
	uint8_t magic[SELFMAG];
};

static int bytes_append(struct unpacked *u, const void *bytes, size_t len)
{
	if (u->room - u->len < len) {
		size_t room = 2 * u->room + len;
		char *more = realloc(u->bytes, room);
		if (!more)
			return -ENOMEM;
		u->bytes = more;
		u->room = room;
	}
	memcpy(u->bytes + u->len, bytes, len);
	return 0;
}

static int piece_put(void *arg, const void *bytes, size_t len)
{
	struct unpacked *u = arg;

	if (u->len < SELFMAG)
		memcpy(u->magic + u->len, bytes, min_u64(len, SELFMAG - u->len));
	int r = u->fd < 0 ? bytes_append(u, bytes, len) : fd_write_full(u->fd, bytes, len);
	u->len += len;
	return r;
}

static int image_unpack(
	const char *path, const void *packed, size_t len, struct unpacked *u, struct err *e)
{
	int r = unpack(packed, len, VMLINUX_MAX, piece_put, u, e);

	if (r < 0)
		return err_in(e, r, "unpack '%s'", path);
	return memcmp(u->magic, ELFMAG, SELFMAG) == 0
		       ? 0
		       : not_a_kernel(path, "its payload is not ELF", e);
}

/* *@ret: free(). */
static int payload_read(const char *path, const struct image *img, void **ret, struct err *e)
{
	cleanup_free void *packed = malloc(img->payload_len);

	if (!packed)
		return err_set(e, -ENOMEM, "'%s'", path);
	int r = fd_pread_full(img->fd, packed, img->payload_len, (off_t)img->payload_off);
	if (r < 0)
		return err_set(e, r, "read '%s'", path);
	*ret = TAKE_PTR(packed);
	return 0;
}

static int image_store(const char *path, const struct image *img, const char *name,
	struct kernel *k, struct err *e)
{
	cleanup_free void *packed = NULL;
	struct unpacked u = {.fd = -1};

	int r = payload_read(path, img, &packed, e);
	if (r < 0)
		return r;
	r = image_unpack(path, packed, img->payload_len, &u, e);
	cleanup_free void *bytes = u.bytes;
	if (r < 0)
		return r;
	r = keep_vmlinux(name, bytes, u.len, k);
	return r < 0 ? err_set(e, r, "store the unpacked '%s'", path) : 0;
}

int kernel_extract(int fd, const char *path, struct err *e)
{
	struct image img = {.fd = fd};
	struct unpacked u = {.fd = fd};
	cleanup_free void *packed = NULL;

	int r = image_read(path, &img, e);
	if (r != 0)
		return r;
	r = payload_read(path, &img, &packed, e);
	if (r < 0)
		return r;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "keep the unpacked '%s'", path);
	return image_unpack(path, packed, img.payload_len, &u, e);
}

static int kernel_find(const char *path, struct image *img, struct kernel *ret, struct err *e)
{
	char name[FILE_PATH_MAX] = "";

	img->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (img->fd < 0)
		return err_set(e, -errno, "open '%s'", path);
	int r = image_read(path, img, e);
	if (r < 0)
		return r;
	if (r == 1) {
		ret->cached = 2;
		r = file_path(ret->path, sizeof(ret->path), "%s", path);
		if (r == 0)
			ret->fd = TAKE_FD(img->fd);
		return r;
	}
	if (cache_name(img, name, sizeof(name)) < 0)
		name[0] = '\0';
	ret->cached = name[0] && open_cached(name, ret) == 0;
	return ret->cached ? 0 : image_store(path, img, name, ret, e);
}

int kernel_open(const char *path, struct kernel *ret, struct err *e)
{
	struct image img = {.fd = -1};

	*ret = (struct kernel){.fd = -1};
	int r = kernel_find(path, &img, ret, e);
	fd_close(&img.fd);
	return r < 0 ? err_in(e, r, "--kernel") : 0;
}

void kernel_close(struct kernel *k)
{
	fd_close(&k->fd);
}
