/* SPDX-License-Identifier: MIT */
#ifndef LIB_SPACE_H
#define LIB_SPACE_H

#include "lib/iova.h"
#include "lib/mapping.h"
#include "vfio/container.h"
#include "vfio/group.h"

#include <pthread.h>
#include <stdbool.h>
#include <usher/space.h>

struct usher_device;
struct usher_model_device;

#define SPACE_GROUPS_MAX 32

struct space_group {
	struct vfio_group vfio; /* fd -1: a device was handed over without it */
	unsigned devices; /* open */
	bool kept; /* attached by name: stays without devices */
	bool used;
};

struct freed {
	uint64_t iova;
	uint64_t size; /* guard included; 0: none */
};

struct usher_space {
	pthread_mutex_t lock;
	struct vfio_container container;
	bool is_model; /* the container is a model's */
	struct vfio_iommu iommu; /* as of the last attach */
	struct space_group groups[SPACE_GROUPS_MAX];
	unsigned group_count;
	struct usher_device *devices;
	uint64_t mask; /* the narrowest DMA mask of its devices */
	uint64_t guard;
	struct iova_pool pool;
	struct mapping_table maps;
	uint64_t mapped; /* [bytes] */
	struct freed *freed; /* ring: the quarantine, and the one that has rested */
	size_t freed_room, freed_next;
	bool is_handed; /* the container: others have its descriptor too */
	unsigned owners; /* devices whose own space this is; 0: the caller's (lib/handed.h) */
	struct usher_space *next_handed;
};

/*
 * The group comes in: the kernel's by @number, or a model's device. The first brings the container.
 * Return: 0 and *@ret, which counts one device more; as usher_space_attach_group(); 0 when it is
 * in already.
 */
int space_enter(struct usher_space *s, int number, struct usher_model_device *model,
	struct space_group **ret, struct usher_err *e);

/* The same with descriptors of somebody's; @group -1: none. They are the space's on success. */
int space_adopt(struct usher_space *s, int container, int group, struct space_group **ret,
	struct usher_err *e);

/* A device of it closed: it leaves when that was the last. */
void space_leave(struct usher_space *s, struct space_group *g);
/* Leaves at once. */
void space_drop(struct usher_space *s, struct space_group *g);

/* The devices' masks or the ranges have changed. Return: 0, -ENOMEM. */
int space_rebuild(struct usher_space *s);
/* What is above @mask already. Return: false and the first mapping, or true. */
bool space_fits(const struct usher_space *s, uint64_t mask, uint64_t *ret_iova);
/* The kernel's side of every mapping goes; which there were is still known. */
void space_unmap_all(struct usher_space *s);
/* Every mapping once more, in a container that has none. Return: 0, as vfio_dma_map(). */
int space_replay(struct usher_space *s, struct usher_err *e);

#endif
