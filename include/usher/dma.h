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
 * Memory for DMA: a memfd that is mapped into this process and into a space. The memory is zeroed
 * and shared: a child after fork() sees the same pages as the device, and so does a process that
 * gets the descriptor. Every device of the space reaches the buffer at the same IOVA.
 */
struct usher_buffer {
	void *host; /* address in this process; NULL: no buffer */
	usher_iova_t iova; /* address for devices */
	uint64_t size; /* [bytes] as requested, rounded up to whole pages */
	struct usher_space *space;
	int fd; /* memfd, owned by the buffer; -1: none */
	unsigned access; /* USHER_DMA_READ, _WRITE */
};

#ifdef __cplusplus
#define USHER_BUFFER_NONE (usher_buffer{nullptr, {0}, 0, nullptr, -1, 0})
#else
#define USHER_BUFFER_NONE ((struct usher_buffer){.fd = -1})
#endif

#define USHER_BUFFER_HUGE_2M 1u /* hugetlb pages; -ENOMEM if the host has reserved none */
#define USHER_BUFFER_HUGE_1G 2u
#define USHER_BUFFER_TO_DEVICE 4u /* devices may only read the buffer */
#define USHER_BUFFER_FROM_DEVICE 8u /* devices may only write the buffer */

/*
 * Allocates a buffer that all devices of the space reach. @size: > 0 [bytes]. @flags: 0 or
 * USHER_BUFFER_*.
 * Return: 0; -EINVAL no such size; -ENOMEM; as usher_space_map(). The caller owns the buffer:
 * usher_buffer_free().
 */
int usher_buffer_alloc(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, struct usher_err *e);

/*
 * Makes the memory of a buffer reachable for the devices of another space, too. Each of the two
 * buffers is freed on its own, in any order. Return: 0, as usher_space_map().
 */
int usher_buffer_share(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, struct usher_err *e);

/*
 * Unmaps and frees a buffer. USHER_BUFFER_NONE is fine, and so is a second call. Devices must be
 * done with the buffer. Free it before its space: a device that was opened without a space frees
 * its own when it is closed.
 */
void usher_buffer_free(struct usher_buffer *b);

/* The IOVA of [@off, +@len) in the buffer [bytes]. Return: 0, -ERANGE outside the buffer. */
static inline int usher_buffer_at(
	const struct usher_buffer *b, uint64_t off, uint64_t len, usher_iova_t *ret)
{
	if (off > b->size || len > b->size - off)
		return -ERANGE;
	ret->v = b->iova.v + off;
	return 0;
}

/* The same for [@p, +@len) in this process. Return: 0, -ERANGE outside the buffer. */
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
