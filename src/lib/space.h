/* SPDX-License-Identifier: MIT */
#ifndef LIB_SPACE_H
#define LIB_SPACE_H

#include "lib/iova.h"
#include "lib/mapping.h"
#include "vfio/ioas.h"

#include <pthread.h>
#include <stdbool.h>
#include <usher/space.h>

struct usher_device;
struct freed {
	uint64_t iova;
	uint64_t size; /* with the guard [bytes]; 0: empty */
};

struct usher_space {
	pthread_mutex_t joining; /* taken before lock; held while a device joins or leaves */
	pthread_mutex_t lock; /* all below */
	struct vfio_ioas ioas; /* from the first member to the last; changes under both locks */
	unsigned members; /* of ioas; 0: nothing is mapped */
	struct vfio_iommu iommu; /* as of the last attach */
	struct usher_device *devices;
	uint64_t mask; /* the narrowest DMA mask of its devices */
	uint64_t guard;
	struct iova_pool pool;
	struct mapping_table maps;
	uint64_t mapped; /* [bytes] */
	struct freed *freed; /* ring: the quarantine, and one entry that may be reused */
	size_t freed_room, freed_next;
	unsigned owners; /* devices that were opened without a space; 0: the caller owns it */
	struct usher_space *next_handed;
};

/*
 * Opens a device of @backend into the space; the first member makes the I/O address space.
 * Return: 0 and *@ret for space_detach(); -EINVAL the space has devices of another back end; as
 * vfio_ioas_attach().
 */
int space_attach(struct usher_space *s, const struct vfio_ioas_ops *backend,
	const struct vfio_member *m, struct vfio_dev *ret, struct usher_err *e);

/*
 * The same with descriptors of another process: @container, @group (-1: none) and @d, which is
 * open. The space owns all three on success. Return: 0; -EINVAL the space has another container.
 */
int space_adopt(
	struct usher_space *s, int container, int group, struct vfio_dev *d, struct usher_err *e);

/* Closes the device. With the last member the I/O address space is closed. */
void space_detach(struct usher_space *s, struct vfio_dev *d);

/* Rebuilds the pool, because the ranges or the devices' masks changed. Return: 0, -ENOMEM. */
int space_rebuild(struct usher_space *s);
/* Do all mappings lie below @mask? If not, *@ret_iova is one that does not. */
bool space_fits(const struct usher_space *s, uint64_t mask, uint64_t *ret_iova);
/* Unmaps everything in the back end; the table stays as it is. */
void space_unmap_all(struct usher_space *s);
/* Maps the whole table in an I/O address space that maps nothing. Return: as vfio_ioas_map(). */
int space_replay(struct usher_space *s, struct usher_err *e);

#endif
