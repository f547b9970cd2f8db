/* SPDX-License-Identifier: MIT */
#ifndef USHER_SPACE_H
#define USHER_SPACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct usher_err;
struct usher_space;

typedef struct {
	uint64_t v;
} usher_iova_t;

#define USHER_DMA_READ 1u
#define USHER_DMA_WRITE 2u
#define USHER_DMA_BOTH (USHER_DMA_READ | USHER_DMA_WRITE)

struct usher_space_options {
	uint64_t guard;
	size_t quarantine;
};

int usher_space_new(
	const struct usher_space_options *o, struct usher_space **ret, struct usher_err *e);

struct usher_space *usher_space_free(struct usher_space *s);

int usher_space_attach_group(struct usher_space *s, int group, struct usher_err *e);
int usher_space_detach_group(struct usher_space *s, int group, struct usher_err *e);

#define USHER_SPANS_MAX 64

struct usher_span {
	uint64_t first;
	uint64_t last;
};

struct usher_space_info {
	uint64_t page_sizes;
	uint64_t dma_mask;
	uint32_t mappings;
	uint32_t mappings_left;
	uint64_t mapped;
	size_t span_count;
	struct usher_span spans[USHER_SPANS_MAX];
};

enum usher_space_ability {
	USHER_SPACE_COHERENT,
	USHER_SPACE_UNMAP_ALL,
	USHER_SPACE_UPDATE_VADDR,
};

int usher_space_can(struct usher_space *s, enum usher_space_ability what);

int usher_space_info(struct usher_space *s, struct usher_space_info *ret, struct usher_err *e);

int usher_space_map(struct usher_space *s, void *host, uint64_t size, unsigned access,
	usher_iova_t *ret, struct usher_err *e);

int usher_space_map_at(struct usher_space *s, usher_iova_t iova, void *host, uint64_t size,
	unsigned access, struct usher_err *e);

int usher_space_unmap(struct usher_space *s, usher_iova_t iova, uint64_t size, struct usher_err *e);

int usher_space_reserve(struct usher_space *s, uint64_t size, uint64_t align, usher_iova_t *ret,
	struct usher_err *e);
int usher_space_release(struct usher_space *s, usher_iova_t iova, struct usher_err *e);

void usher_space_flush_quarantine(struct usher_space *s);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
