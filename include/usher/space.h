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

/* I/O virtual address: what a device puts on the bus. */
typedef struct {
	uint64_t v;
} usher_iova_t;

/* What devices may do with memory; both bits are the usual case. */
#define USHER_DMA_READ 1u /* the device reads it */
#define USHER_DMA_WRITE 2u /* the device writes it */
#define USHER_DMA_BOTH (USHER_DMA_READ | USHER_DMA_WRITE)

/*
 * An IOVA space: the memory that a set of devices can reach, and where. All devices opened into a
 * space share it. It begins empty; the first device brings the IOMMU with it (the kernel's, or a
 * model's). The IOMMU's ranges are asked again whenever a group comes in. When a group leaves,
 * the mappings stay for the others; when the last one leaves, they come back with the next.
 *
 * Map and unmap may be called from several threads. Translation needs neither call nor lock: it
 * is an addition (dma.h).
 * Ref: Documentation/driver-api/vfio.rst; linux/vfio.h, the type 1 (v2) IOMMU.
 */
struct usher_space_options {
	uint64_t guard; /* unmapped gap behind each mapping [bytes]; default one page */
	size_t quarantine; /* freed IOVAs kept from reuse, the latest so many; default 64 */
};

/* @o: NULL for the defaults. Return: 0, -ENOMEM. The space is the caller's. */
int usher_space_new(
	const struct usher_space_options *o, struct usher_space **ret, struct usher_err *e);

/* All devices must be closed. What is still mapped is unmapped. Return: NULL. */
struct usher_space *usher_space_free(struct usher_space *s);

/*
 * Puts an IOMMU group into the space, or takes it out, independently of devices: opening a device
 * does this by itself. Every member must be on vfio-pci or on no driver.
 * Return: 0; -ENOENT no member is on vfio-pci; -EBUSY another process has it (the message names
 * it where it can be told), or on removal a device of it is open; -EPERM not viable (the message
 * names the member and its driver), or the IOMMU does not remap interrupts; -EACCES; -EINVAL the
 * IOMMU cannot hold the mappings that there are; -EEXIST, -ENOENT it is in already, is not in.
 */
int usher_space_attach_group(struct usher_space *s, int group, struct usher_err *e);
int usher_space_detach_group(struct usher_space *s, int group, struct usher_err *e);

#define USHER_SPANS_MAX 64

struct usher_span {
	uint64_t first;
	uint64_t last; /* inclusive */
};

struct usher_space_info {
	uint64_t page_sizes; /* bit n: the IOMMU has pages of 2^n bytes */
	uint64_t dma_mask; /* highest IOVA that every device in the space reaches */
	uint32_t mappings; /* now */
	uint32_t mappings_left; /* UINT32_MAX: the kernel does not say */
	uint64_t mapped; /* [bytes]; they count against RLIMIT_MEMLOCK */
	size_t span_count;
	struct usher_span spans[USHER_SPANS_MAX]; /* usable IOVAs, ascending */
};

/* Return: 0, -EINVAL no group or device in it yet. */
int usher_space_info(struct usher_space *s, struct usher_space_info *ret, struct usher_err *e);

/*
 * Lets the space's devices reach [@host, +@size). The IOVA is chosen: inside the IOMMU's ranges,
 * below every device's DMA mask, aligned for the largest IOMMU page that fits, apart from its
 * neighbours by a guard, and not one that was freed a moment ago.
 * @host, @size: multiples of the smallest IOMMU page. The pages are pinned and count against
 * RLIMIT_MEMLOCK. The memory stays the caller's and must outlive the mapping.
 * Return: 0; -EINVAL misaligned, empty, or no device in the space yet; -ENOMEM beyond
 * RLIMIT_MEMLOCK (the hint says how much is needed); -ENOSPC no IOVA of that size, or no mapping
 * left; -EFAULT no such memory, or not writable.
 * Ref: linux/vfio.h VFIO_IOMMU_MAP_DMA.
 */
int usher_space_map(struct usher_space *s, void *host, uint64_t size, unsigned access,
	usher_iova_t *ret, struct usher_err *e);

/*
 * The same at an IOVA of the caller's, who may put mappings side by side: guards, and IOVAs that
 * were freed a moment ago, give way. What the space places by itself keeps its distance to it.
 * Return: as above; -EEXIST it overlaps a mapping or page 0; -ERANGE.
 */
int usher_space_map_at(struct usher_space *s, usher_iova_t iova, void *host, uint64_t size,
	unsigned access, struct usher_err *e);

/*
 * Takes a mapping away: the whole of it, with the size that it was mapped with. Parts cannot be
 * unmapped. Devices must be done with it.
 * Return: 0; -ENOENT nothing is mapped there; -EINVAL another size; -EIO the kernel unmapped
 * something else.
 */
int usher_space_unmap(struct usher_space *s, usher_iova_t iova, uint64_t size, struct usher_err *e);

/*
 * An IOVA that nobody gets, such as one for a device's own window. It is freed like a mapping.
 * @align: a power of two, 0: none. Return: 0, -EINVAL, -ENOSPC.
 */
int usher_space_reserve(struct usher_space *s, uint64_t size, uint64_t align, usher_iova_t *ret,
	struct usher_err *e);
int usher_space_release(struct usher_space *s, usher_iova_t iova, struct usher_err *e);

/* Freed IOVAs may be used again at once: every device is quiet, as after a reset. */
void usher_space_flush_quarantine(struct usher_space *s);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
