/* SPDX-License-Identifier: MIT */
#include "image/nbd.h"

#include "base/fd.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define HELLO UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define OPTION UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define OPTION_EXPORT_NAME 1
#define FLAG_FIXED 1 /* both sides know the options of today */
#define FLAG_NO_ZEROES 2 /* none follow the answer */
#define REQUEST UINT32_C(0x25609513)
#define REQUEST_READ 0
#define REPLY UINT32_C(0x67446698)

struct hello {
	uint64_t magic, option;
	uint16_t flags;
} __attribute__((packed));

struct wish {
	uint32_t flags;
	uint64_t magic;
	uint32_t option, len;
	char name[16];
} __attribute__((packed));

struct granted {
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, off;
	uint32_t len;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));

/* The end of the file is the end of the server. */
static int bytes_receive(int fd, void *buf, size_t len)
{
	int r = fd_read_full(fd, buf, len);

	return r == -EIO || r == -ECONNRESET ? -EPIPE : r;
}

static int bytes_send(int fd, const void *buf, size_t len)
{
	int r = fd_write_full(fd, buf, len);

	return r == -ECONNRESET ? -EPIPE : r;
}

static int hello_receive(int fd)
{
	const uint16_t needed = FLAG_FIXED | FLAG_NO_ZEROES;
	struct hello h;

	int r = bytes_receive(fd, &h, sizeof(h));
	if (r < 0)
		return r;
	return be64toh(h.magic) == HELLO && be64toh(h.option) == OPTION &&
			       (be16toh(h.flags) & needed) == needed
		       ? 0
		       : -EPROTO;
}

int nbd_open(int fd, const char *name, uint64_t *ret_size)
{
	struct wish wish = {.flags = htobe32(FLAG_FIXED | FLAG_NO_ZEROES),
		.magic = htobe64(OPTION),
		.option = htobe32(OPTION_EXPORT_NAME)};
	const size_t len = strlen(name);
	struct granted granted;

	if (len > sizeof(wish.name))
		return -EINVAL;
	wish.len = htobe32((uint32_t)len);
	memcpy(wish.name, name, len);
	int r = hello_receive(fd);
	if (r < 0)
		return r;
	r = bytes_send(fd, &wish, sizeof(wish) - sizeof(wish.name) + len);
	if (r < 0)
		return r;
	r = bytes_receive(fd, &granted, sizeof(granted));
	if (r < 0)
		return r;
	*ret_size = be64toh(granted.size);
	return *ret_size <= INT64_MAX ? 0 : -EPROTO;
}

int nbd_read(int fd, uint64_t off, void *buf, uint32_t len)
{
	const struct request q = {.magic = htobe32(REQUEST),
		.type = htobe16(REQUEST_READ),
		.cookie = htobe64(off),
		.off = htobe64(off),
		.len = htobe32(len)};
	struct reply a;

	int r = bytes_send(fd, &q, sizeof(q));
	if (r == 0)
		r = bytes_receive(fd, &a, sizeof(a));
	if (r < 0)
		return r;
	if (be32toh(a.magic) != REPLY || a.cookie != q.cookie)
		return -EPROTO;
	return a.error ? -EIO : bytes_receive(fd, buf, len);
}
