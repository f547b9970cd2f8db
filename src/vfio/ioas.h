/* SPDX-License-Identifier: MIT */
#ifndef VFIO_IOAS_H
#define VFIO_IOAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct host;
struct vfio_dependent;
struct vfio_dev;
struct vfio_ioas;

/*
 * How it works. An I/O address space (IOAS) is one set of DMA mappings, and the devices that use
 * it. The verbs below say what is meant: attach a device, map memory, reset a bus. A back end says
 * how: vfio/type1.h by the kernel's containers and groups, model/ inside this process. Neither
 * group nor container is visible here, because iommufd and vfio-user have none.
 *
 * Invariants that callers rely on and every back end keeps (test/unit/vfio/ioas_rows.c):
 * - map, unmap and info work from the first member on. A member is an attached device or a bound
 *   group. When the last member leaves, the mappings are lost, and the handle is only good for
 *   vfio_ioas_close().
 * - A refused map or unmap changes nothing.
 * - A device belongs to one space at a time. All devices of a space see the same mappings.
 * - Back ends return bare -errno for map and unmap; vfio/ioas.c words them off the hot path.
 */

/* I/O virtual address: what a device puts on the bus. A struct, so that a mix-up cannot compile. */
typedef struct {
	uint64_t v;
} iova_t;

#define IOVA(n) ((iova_t){n})

/* What the device may do with the memory; both bits are the usual case. */
#define VFIO_DMA_READ 1u /* the device reads the memory */
#define VFIO_DMA_WRITE 2u /* the device writes the memory */

#define VFIO_RANGES_MAX 64

struct vfio_span {
	iova_t first;
	iova_t last; /* inclusive: a range may end at 2^64 - 1 */
};

/* What the IOMMU can do for the members of a space. */
struct vfio_iommu {
	uint64_t page_sizes; /* bit n: pages of 2^n bytes; 4 KiB if the back end does not say */
	uint32_t dma_avail; /* mappings left; UINT32_MAX if the back end does not say */
	size_t range_count; /* 0: the back end does not say (before Linux 5.4) */
	struct vfio_span ranges[VFIO_RANGES_MAX]; /* usable IOVAs, ascending */
};

enum vfio_ability {
	VFIO_CAN_COHERENT, /* DMA snoops the processor's caches */
	VFIO_CAN_UNMAP_ALL,
	VFIO_CAN_UPDATE_VADDR,
};

/* Which device or group is meant. */
struct vfio_member {
	struct host *host; /* where the reasons of a failure are looked up; NULL: nowhere */
	const char *
		name; /* a PCI address, perhaps with " vf_token=UUID"; a model's name; NULL: none */
	int group; /* number of the IOMMU group; -1: unknown */
};

struct vfio_ioas_ops {
	const char *name; /* of the back end, for messages */
	/* Makes an empty space. @ret: NONE. */
	int (*open)(struct vfio_ioas *ret, struct err *e);
	/* Releases the space and all bound groups. Devices that are still open stay open. */
	void (*close)(struct vfio_ioas *s);
	/* As vfio_ioas_bind() and so on. NULL: the back end knows no groups. */
	int (*bind)(struct vfio_ioas *s, const struct vfio_member *m, struct err *e);
	int (*unbind)(struct vfio_ioas *s, int group);
	int (*attach)(struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret,
		struct err *e);
	/* NULL: devices cannot be handed over. */
	int (*adopt)(
		struct vfio_ioas *s, struct host *h, struct vfio_dev *d, int group, struct err *e);
	/* As vfio_ioas_receive(), but the return: how many members that makes. NULL: likewise. */
	int (*receive)(struct vfio_ioas *s, const struct vfio_member *m, int fd,
		struct vfio_dev *ret, struct err *e);
	void (*detach)(struct vfio_ioas *s, struct vfio_dev *d);
	int (*info)(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e);
	bool (*can)(struct vfio_ioas *s, enum vfio_ability what);
	int (*map)(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access);
	/* *@ret: how many bytes were unmapped. Return: 0, -errno; then *@ret is not set. */
	int (*unmap)(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret);
	/* As vfio_ioas_kvm_file(). */
	int (*kvm_file)(const struct vfio_ioas *s, const struct vfio_dev *d);
	/* Is @group owned by this space, so that a reset may hit its devices? */
	bool (*owns)(const struct vfio_ioas *s, int group);
	/* As vfio_ioas_missing(). */
	size_t (*missing)(
		const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count);
	/* As vfio_ioas_reset_bus(). */
	int (*reset_bus)(struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit,
		size_t count);
};

/* A handle. It may be moved by assignment. */
struct vfio_ioas {
	const struct vfio_ioas_ops *ops; /* NULL: none */
	int fd; /* container, iommufd or a stand-in; -1: none */
	unsigned members;
	bool is_shared; /* others have the descriptor too: mappings must be unmapped one by one */
	void *state; /* the back end's own */
};

#define VFIO_IOAS_NONE ((struct vfio_ioas){.fd = -1})

/* Return: 0; the back end's -errno with a sentence. */
int vfio_ioas_open(const struct vfio_ioas_ops *ops, struct vfio_ioas *ret, struct err *e);

/*
 * A space by a descriptor that another process made and handed over. The kind of the descriptor
 * decides the back end. @fd belongs to the space on success only.
 * Return: 0; -ENOTTY the descriptor is not an I/O address space; -EPROTO; -ENOTSUP.
 */
int vfio_ioas_from_fd(int fd, struct vfio_ioas *ret, struct err *e);

/* NONE is fine. */
void vfio_ioas_close(struct vfio_ioas *s);

/*
 * Claims a whole IOMMU group for the space, with or without open devices in it, until
 * vfio_ioas_unbind() or vfio_ioas_close().
 * Return: 0; -EEXIST the group is bound to this space; -EBUSY another process has the group; -EPERM
 * the group is not viable; -ENOTSUP the back end knows no groups; -errno.
 */
int vfio_ioas_bind(struct vfio_ioas *s, const struct vfio_member *m, struct err *e);

/* Return: 0; -ENOENT the group is not in the space; -EBUSY a device of it is attached. */
int vfio_ioas_unbind(struct vfio_ioas *s, int group, struct err *e);

/*
 * Opens a device and puts it into the space: from now on its DMA goes through the mappings. The
 * kernel resets the device when it is opened. *@ret is for vfio_ioas_detach().
 * Return: 0; -ENODEV no such device, or not on a VFIO driver; -EBUSY another owner; -EPERM not
 * viable, or no interrupt remapping; -EACCES; -ENOSPC too many groups; -errno.
 */
int vfio_ioas_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e);

/*
 * Puts a device into the space that another process opened and attached there. @d: from
 * vfio_dev_from_fd(). @group: descriptor of its group, -1 for none; the space owns it on success.
 * @h knows the group's number. Return: 0, -ENOTTY @group is not a group, -ENOSPC, -ENOTSUP.
 */
int vfio_ioas_adopt(
	struct vfio_ioas *s, struct host *h, struct vfio_dev *d, int group, struct err *e);

/*
 * Puts the device @m->name into the space by a descriptor @fd that another process handed over: the
 * device's, or its group's, which opens the device, enters the space if it has not, and is bound.
 * The space owns @fd on success. Return: 0, -ENOTTY @fd is neither, -ENOTSUP; as
 * vfio_ioas_attach().
 */
int vfio_ioas_receive(struct vfio_ioas *s, const struct vfio_member *m, int fd,
	struct vfio_dev *ret, struct err *e);

/* Closes an attached, adopted or received device and takes it out of the space. */
void vfio_ioas_detach(struct vfio_ioas *s, struct vfio_dev *d);

/* Return: 0; -EINVAL the space has no member. */
int vfio_ioas_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e);

bool vfio_ioas_can(struct vfio_ioas *s, enum vfio_ability what);

/*
 * The descriptor by which KVM's VFIO device knows an attached device (KVM_DEV_VFIO_FILE_ADD). It
 * stays the space's. Return: descriptor; -ENOENT KVM cannot know it.
 */
int vfio_ioas_kvm_file(const struct vfio_ioas *s, const struct vfio_dev *d);

/* Is the IOMMU group owned by the space, so that a reset may hit its devices? */
bool vfio_ioas_owns(const struct vfio_ioas *s, int group);

/*
 * Which of the functions that a reset of the bus hits is in the way: the first whose group the
 * space does not own. Return: its index in @hit; @count if there is none.
 */
size_t vfio_ioas_missing(const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count);

/*
 * Resets the bus or slot of @d with everything on it. @hit: what that is, from
 * vfio_hotreset_info(); the space must own the group of each.
 * Return: 0; -EPERM a group is not owned; -EINVAL the kernel misses one; -ENODEV; -ENOTTY; -errno.
 */
int vfio_ioas_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit, size_t count);

/* Off the hot path: the words for a failed map or unmap. Return: -errno. */
int vfio_ioas_explain_map(struct vfio_ioas *s, iova_t iova, uint64_t size, int code, struct err *e);
int vfio_ioas_explain_unmap(iova_t iova, uint64_t size, uint64_t unmapped, int code, struct err *e);

/*
 * Lets the devices of the space reach [@host, +@size) at @iova. The kernel pins the pages; they
 * count against the caller's RLIMIT_MEMLOCK unless the caller has CAP_IPC_LOCK. @iova, @host,
 * @size: multiples of the smallest IOMMU page (struct vfio_iommu.page_sizes). [bytes]
 * Return: 0; -EINVAL misaligned, empty, or outside the IOMMU's ranges; -EEXIST overlaps a mapping;
 * -EFAULT no such memory, or not writable; -ENOMEM beyond RLIMIT_MEMLOCK; -ENOSPC no entries left
 * (struct vfio_iommu.dma_avail).
 */
static inline int vfio_ioas_map(
	struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access, struct err *e)
{
	int r = s->ops->map(s, iova, host, size, access);

	return r >= 0 ? 0 : vfio_ioas_explain_map(s, iova, size, r, e);
}

/*
 * Removes one mapping: @iova and @size exactly as they were mapped. An unmap that the back end
 * reports as shorter or longer is an error: a device would still reach memory that its owner
 * believes free.
 * Return: 0; -EINVAL or -ENOENT part of a mapping; -ENOENT nothing is mapped there; -EIO another
 * size.
 */
static inline int vfio_ioas_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, struct err *e)
{
	uint64_t unmapped = 0;
	int r = s->ops->unmap(s, iova, size, &unmapped);

	return r >= 0 && unmapped == size ? 0 : vfio_ioas_explain_unmap(iova, size, unmapped, r, e);
}

#endif
