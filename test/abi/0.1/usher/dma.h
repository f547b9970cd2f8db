/* SPDX-License-Identifier: MIT */
#ifndef USHER_DMA_H
#define USHER_DMA_H

#include <errno.h>
#include <usher/space.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_buffer {
	void *host;
	usher_iova_t iova;
	uint64_t size;
	struct usher_space *space;
	int fd;
	unsigned access;
};

#ifdef __cplusplus
#define USHER_BUFFER_NONE (usher_buffer{nullptr, {0}, 0, nullptr, -1, 0})
#else
#define USHER_BUFFER_NONE ((struct usher_buffer){.fd = -1})
#endif

#define USHER_BUFFER_HUGE_2M 1u
#define USHER_BUFFER_HUGE_1G 2u
#define USHER_BUFFER_TO_DEVICE 4u
#define USHER_BUFFER_FROM_DEVICE 8u

int usher_buffer_alloc(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, struct usher_err *e);

int usher_buffer_share(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, struct usher_err *e);

void usher_buffer_free(struct usher_buffer *b);

static inline int usher_buffer_at(
	const struct usher_buffer *b, uint64_t off, uint64_t len, usher_iova_t *ret)
{
	if (off > b->size || len > b->size - off)
		return -ERANGE;
	ret->v = b->iova.v + off;
	return 0;
}

static inline int usher_buffer_of(
	const struct usher_buffer *b, const void *p, uint64_t len, usher_iova_t *ret)
{
	return usher_buffer_at(b, (uint64_t)((uintptr_t)p - (uintptr_t)b->host), len, ret);
}

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
