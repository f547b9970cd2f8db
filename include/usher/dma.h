/* SPDX-License-Identifier: MIT */
#ifndef USHER_DMA_H
#define USHER_DMA_H

#include <errno.h>
#include <usher/space.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Memory for DMA: a memfd mapped into this process and into a space. Zero-filled, shared (a
 * fork()ed child sees the same pages, as the device does), readable by its descriptor for another
 * process. Every device of the space reaches it at the same IOVA.
 */
struct usher_buffer {
	void *host;
	usher_iova_t iova;
	uint64_t size; /* [bytes] as asked for, rounded up to whole pages */
	struct usher_space *space;
	int fd; /* memfd, the buffer's; -1 none */
	unsigned access;
};

#ifdef __cplusplus
#define USHER_BUFFER_NONE (usher_buffer{nullptr, {0}, 0, nullptr, -1, 0})
#else
#define USHER_BUFFER_NONE ((struct usher_buffer){.fd = -1})
#endif

#define USHER_BUFFER_HUGE_2M 1u /* hugetlb pages; -ENOMEM when the host has reserved none */
#define USHER_BUFFER_HUGE_1G 2u
#define USHER_BUFFER_TO_DEVICE 4u /* the device may only read it */
#define USHER_BUFFER_FROM_DEVICE 8u /* the device may only write it */

/*
 * Memory of @size bytes that all devices of the space reach. @flags: 0 or USHER_BUFFER_*.
 * Return: 0, as usher_space_map(). The buffer is the caller's: usher_buffer_free().
 */
int usher_buffer_alloc(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, struct usher_err *e);

/*
 * The same memory for the devices of another space; each of the two is freed by itself.
 * Return: 0, as usher_space_map().
 */
int usher_buffer_share(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, struct usher_err *e);

/*
 * Unmaps and frees; USHER_BUFFER_NONE and twice are fine. Devices must be done with it. Before its
 * space goes: a device that was opened without a space takes its own along when it is closed.
 */
void usher_buffer_free(struct usher_buffer *b);

/* IOVA of [@off, +@len) in the buffer. Return: 0, -ERANGE. */
static inline int usher_buffer_at(
	const struct usher_buffer *b, uint64_t off, uint64_t len, usher_iova_t *ret)
{
	if (off > b->size || len > b->size - off)
		return -ERANGE;
	ret->v = b->iova.v + off;
	return 0;
}

/* The same by the address of [@p, +@len) in this process. Return: 0, -ERANGE. */
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
