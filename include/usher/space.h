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
#define USHER_DMA_READ 1u /* the device reads the memory */
#define USHER_DMA_WRITE 2u /* the device writes the memory */
#define USHER_DMA_BOTH (USHER_DMA_READ | USHER_DMA_WRITE)

/*
 * An IOVA space: which memory a set of devices can reach, and at which addresses. All devices of a
 * space see the same mappings. A new space is empty. Its first device, or group, decides whose
 * IOMMU it is: the kernel's or a model's. When the last device leaves, the space remembers its
 * mappings and makes them again for the next one.
 *
 * Several threads may map and unmap at the same time. Translation of an address is an addition and
 * needs neither call nor lock (dma.h).
 * Ref: Documentation/driver-api/vfio.rst; linux/vfio.h, the type 1 (v2) IOMMU.
 */
struct usher_space_options { /* grows: usher_sized(3) */
	uint64_t guard; /* unmapped gap after each mapping [bytes]; default: one page */
	size_t quarantine; /* how many IOVAs, the last unmapped ones, are not reused; default: 64 */
};

/*
 * Makes a space. @o: NULL for the defaults. @size: sizeof(*@o).
 * Return: 0; -ENOMEM; -EINVAL no space has such a guard, or that is no size of the options; -E2BIG
 * an option that this library does not know is set. The caller owns the space: usher_space_free().
 */
int usher_space_new_sized(const struct usher_space_options *o, size_t size,
	struct usher_space **ret, struct usher_err *e);
static inline int usher_space_new(
	const struct usher_space_options *o_, struct usher_space **ret_, struct usher_err *e_)
{
	return usher_space_new_sized(o_, sizeof(*o_), ret_, e_);
}

/* Unmaps everything and frees the space. All devices must be closed. NULL is fine. Return: NULL. */
struct usher_space *usher_space_free(struct usher_space *s);

/*
 * Puts an IOMMU group into the space, or takes it out, with or without open devices. To open a
 * device does this on its own. Every member of the group must be on vfio-pci or on no driver.
 * Return: 0; -ENOENT no member is on vfio-pci, or (detach) the group is not in the space; -EEXIST
 * the group is in the space already; -EBUSY another process has the group (the message names the
 * process if it can be found), or (detach) a device of it is open; -EPERM the group is not viable
 * (the message names the member and its driver), or the IOMMU does not remap interrupts; -EACCES;
 * -EINVAL the IOMMU of the group does not take a mapping of the space.
 */
int usher_space_attach_group(struct usher_space *s, int group, struct usher_err *e);
int usher_space_detach_group(struct usher_space *s, int group, struct usher_err *e);

#define USHER_SPANS_MAX 64

struct usher_span {
	uint64_t first;
	uint64_t last; /* inclusive */
};

struct usher_space_info { /* grows: usher_sized(3) */
	uint64_t page_sizes; /* bit n: the IOMMU has pages of 2^n bytes */
	uint64_t dma_mask; /* highest IOVA that every device of the space can address */
	uint32_t mappings; /* how many there are */
	uint32_t mappings_left; /* how many more; UINT32_MAX: the kernel does not say */
	uint64_t mapped; /* [bytes], which count against RLIMIT_MEMLOCK */
	size_t span_count;
	struct usher_span spans[USHER_SPANS_MAX]; /* usable IOVAs, ascending */
};

/* What the space's IOMMU can do on this kernel. Ask instead of comparing versions. */
enum usher_space_ability {
	USHER_SPACE_COHERENT, /* DMA snoops the caches: VFIO_DMA_CC_IOMMU */
	USHER_SPACE_UNMAP_ALL, /* VFIO_UNMAP_ALL */
	USHER_SPACE_UPDATE_VADDR, /* mappings outlive a change of addresses: VFIO_UPDATE_VADDR */
};

/* Return: 1 yes; 0 no, or the space has no device yet. */
int usher_space_can(struct usher_space *s, enum usher_space_ability what);

/*
 * What the IOMMU of the space can do, and what is mapped. @size: sizeof(*@ret).
 * Return: 0; -EINVAL no device yet, or that is no size of the structure.
 */
int usher_space_query_sized(
	struct usher_space *s, struct usher_space_info *ret, size_t size, struct usher_err *e);
static inline int usher_space_query(
	struct usher_space *s_, struct usher_space_info *ret_, struct usher_err *e_)
{
	return usher_space_query_sized(s_, ret_, sizeof(*ret_), e_);
}
#ifndef __cplusplus
/* Its name in version 0.1. In C++ it would hide the structure. */
#define usher_space_info(s, ret, e) usher_space_query(s, ret, e)
#endif

/*
 * Lets the devices of the space reach [@host, +@size). The library chooses the IOVA: inside the
 * IOMMU's ranges, below the DMA mask of every device, aligned to the largest IOMMU page that fits,
 * with a guard after it, and not one of the last unmapped ones (usher_space_options.quarantine).
 * @host, @size: multiples of the smallest IOMMU page [bytes]. @access: USHER_DMA_*. The kernel pins
 * the pages; they count against RLIMIT_MEMLOCK. The memory stays the caller's and must outlive the
 * mapping.
 * Return: 0 and the IOVA in *@ret; -EINVAL misaligned, empty, or the space has no device yet;
 * -ENOMEM beyond RLIMIT_MEMLOCK (the hint says how much is needed); -ENOSPC no IOVA of that size,
 * or no mapping left; -EFAULT no such memory, or not writable.
 * Ref: linux/vfio.h VFIO_IOMMU_MAP_DMA.
 */
int usher_space_map(struct usher_space *s, void *host, uint64_t size, unsigned access,
	usher_iova_t *ret, struct usher_err *e);

/*
 * The same at a given IOVA. A caller that specifies an IOVA may use guard and quarantined ranges,
 * so that mappings can be adjacent. IOVAs that the library chooses keep their guard.
 * Return: as usher_space_map(); -EEXIST the range overlaps a mapping or page 0; -ERANGE outside the
 * IOMMU's ranges or the DMA masks.
 */
int usher_space_map_at(struct usher_space *s, usher_iova_t iova, void *host, uint64_t size,
	unsigned access, struct usher_err *e);

/*
 * Removes a mapping as a whole: @iova and @size as they were mapped. Parts cannot be unmapped.
 * Devices must be done with the memory.
 * Return: 0; -ENOENT nothing is mapped there; -EINVAL another size; -EIO the kernel unmapped
 * another number of bytes. Ref: linux/vfio.h VFIO_IOMMU_UNMAP_DMA.
 */
int usher_space_unmap(struct usher_space *s, usher_iova_t iova, uint64_t size, struct usher_err *e);

/*
 * Reserves IOVAs without memory, such as for a device's own window. usher_space_release() frees
 * them. @size: [bytes]. @align: a power of two; 0: none.
 * Return: 0 and the IOVA in *@ret; -EINVAL misaligned, or no device yet; -ENOSPC. Release: 0;
 * -ENOENT nothing is reserved there.
 */
int usher_space_reserve(struct usher_space *s, uint64_t size, uint64_t align, usher_iova_t *ret,
	struct usher_err *e);
int usher_space_release(struct usher_space *s, usher_iova_t iova, struct usher_err *e);

/* Ends the quarantine of all unmapped IOVAs, because every device is quiet, as after a reset. */
void usher_space_flush_quarantine(struct usher_space *s);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
