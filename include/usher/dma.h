/* SPDX-License-Identifier: MIT */
#ifndef USHER_DMA_H
#define USHER_DMA_H

#include <errno.h>
#include <stddef.h>
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
struct usher_buffer { /* grows: usher_sized(3) */
	void *host; /* address in this process; NULL: no buffer */
	usher_iova_t iova; /* address for devices */
	uint64_t size; /* [bytes] as requested, rounded up to whole pages */
	struct usher_space *space;
	int fd; /* memfd, owned by the buffer; -1: none */
	unsigned access; /* USHER_DMA_READ, _WRITE */
};

/* Initialises a buffer. To assign it in C: (struct usher_buffer)USHER_BUFFER_NONE. */
#ifdef __cplusplus
#define USHER_BUFFER_NONE (usher_buffer{nullptr, {0}, 0, nullptr, -1, 0})
#else
#define USHER_BUFFER_NONE \
	{                 \
		.fd = -1  \
	}
#endif

#define USHER_BUFFER_HUGE_2M 1u /* hugetlb pages; -ENOMEM if the host has reserved none */
#define USHER_BUFFER_HUGE_1G 2u
#define USHER_BUFFER_TO_DEVICE 4u /* devices may only read the buffer */
#define USHER_BUFFER_FROM_DEVICE 8u /* devices may only write the buffer */

/*
 * Allocates a buffer that all devices of the space reach. @size: > 0 [bytes]. @flags: 0 or
 * USHER_BUFFER_*. @struct_size: sizeof(*@ret).
 * Return: 0; -EINVAL no such size; -ENOMEM; as usher_space_map(). The caller owns the buffer:
 * usher_buffer_free().
 */
int usher_buffer_alloc_sized(struct usher_space *s, uint64_t size, unsigned flags,
	struct usher_buffer *ret, size_t struct_size, struct usher_err *e);
static inline int usher_buffer_alloc(struct usher_space *s_, uint64_t size_, unsigned flags_,
	struct usher_buffer *ret_, struct usher_err *e_)
{
	return usher_buffer_alloc_sized(s_, size_, flags_, ret_, sizeof(*ret_), e_);
}

/*
 * Makes the memory of a buffer reachable for the devices of another space, too. Each of the two
 * buffers is freed on its own, in any order. @struct_size: that of both.
 * Return: 0, as usher_space_map().
 */
int usher_buffer_share_sized(const struct usher_buffer *b, struct usher_space *s,
	struct usher_buffer *ret, size_t struct_size, struct usher_err *e);
static inline int usher_buffer_share(const struct usher_buffer *b_, struct usher_space *s_,
	struct usher_buffer *ret_, struct usher_err *e_)
{
	return usher_buffer_share_sized(b_, s_, ret_, sizeof(*ret_), e_);
}

/*
 * Unmaps and frees a buffer. USHER_BUFFER_NONE is fine, and so is a second call. Devices must be
 * done with the buffer. Free it before its space: a device that was opened without a space frees
 * its own when it is closed.
 * Return: 0; -errno the IOMMU did not unmap the memory. Then a device may still reach it, so the
 * buffer stays as it is: try again, or free the space, which ends every mapping.
 */
int usher_buffer_free_sized(struct usher_buffer *b, size_t struct_size);
static inline int usher_buffer_free(struct usher_buffer *b_)
{
	return usher_buffer_free_sized(b_, sizeof(*b_));
}

/* The IOVA of [@off, +@len) in the buffer [bytes]. Return: 0, -ERANGE outside the buffer. */
static inline int usher_buffer_at(
	const struct usher_buffer *b_, uint64_t off_, uint64_t len_, usher_iova_t *ret_)
{
	if (off_ > b_->size || len_ > b_->size - off_)
		return -ERANGE;
	ret_->v = b_->iova.v + off_;
	return 0;
}

/* The same for [@p, +@len) in this process. Return: 0, -ERANGE outside the buffer. */
static inline int usher_buffer_of(
	const struct usher_buffer *b_, const void *p_, uint64_t len_, usher_iova_t *ret_)
{
#ifdef __cplusplus
	const uintptr_t at_ = reinterpret_cast<uintptr_t>(p_);
	const uintptr_t first_ = reinterpret_cast<uintptr_t>(b_->host);
#else
	const uintptr_t at_ = (uintptr_t)p_, first_ = (uintptr_t)b_->host;
#endif
	return usher_buffer_at(b_, at_ - first_, len_, ret_);
}

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
