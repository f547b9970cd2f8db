/* SPDX-License-Identifier: MIT */
#ifndef MODEL_HOST_H
#define MODEL_HOST_H

#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/group.h"

#include <pthread.h>
#include <stdbool.h>
#include <usher/model.h>

struct err;
struct vfio_pci_hot_reset;
struct vfio_pci_hot_reset_info;

/*
 * VFIO in this process: what the kernel would be to a model of a device. It answers the ioctls of
 * linux/vfio.h with the kernel's results and errnos, so that one conformance table holds for both.
 * Descriptors are real ones (eventfds), so that they can be compared, closed and mistaken.
 */
#define MODEL_CONFIG_SIZE 4096
#define MODEL_KINDS 5 /* INTx, MSI, MSI-X, ERR, REQ */
#define MODEL_REGIONS 9
#define MODEL_REGION_SHIFT 40

struct model_mapping {
	uint64_t iova;
	uint64_t size;
	uint8_t *host;
	uint32_t access; /* VFIO_DMA_READ, _WRITE */
};

struct model_container {
	pthread_mutex_t lock; /* mappings: a device's DMA may come from another thread */
	int fd;
	/* Under model_lock(). */
	bool open; /* some vfio_container has it; groups keep it alive too */
	unsigned groups;
	/* Under lock. */
	bool has_iommu;
	struct model_mapping *maps; /* by iova */
	size_t count, room;
	uint64_t locked, lock_limit; /* [bytes]; limit 0: none */
	uint32_t entry_limit; /* mappings: dma_entry_limit of vfio_iommu_type1 */
	struct model_container *next;
};

struct model_irqs {
	bool on;
	uint32_t count;
	int *fds; /* duplicates, as the kernel holds its own reference; -1: none */
};

struct usher_model_device {
	const struct usher_model *model;
	void *state;
	char name[32];
	int group;
	bool group_open;
	bool gone;
	unsigned open; /* descriptors of the device */
	struct model_container *container;
	uint8_t config[MODEL_CONFIG_SIZE];
	void *bars[USHER_MODEL_BARS];
	int bar_fds[USHER_MODEL_BARS];
	struct model_irqs irqs[MODEL_KINDS];
	bool intx_level, intx_masked;
	int intx_unmask_fd; /* -1: none */
	bool asleep; /* by the low power feature */
	enum usher_model_fault fault;
	unsigned fault_after, fault_count;
	unsigned resets; /* asked for by its user */
	uint64_t dma_lost; /* DMA and MSIs while bus mastering was off */
	uint64_t dma_faults; /* DMA that is not mapped, or not so */
	bool no_reset;
	bool no_resize; /* MSI-X: no vector joins while others are on, as before Linux 6.5 */
	uint32_t vectors; /* of MSI or MSI-X that the host has left; UINT32_MAX: enough */
	unsigned bus, slot; /* bus 0: a root bus, which cannot be reset */
	int group_fd; /* while group_open */
	struct usher_model_device *next; /* of those with a bus */
};

/* Those that need not be registered. */
extern const struct usher_model model_edu, model_nvme, model_nvme_mapped;

/* NULL: nobody registered it. */
const struct usher_model *model_find(const char *name);

/* "key=value" or "key" of "a=1,b". Return: the value and its length, NULL it is not there. */
const char *model_argument(const char *arguments, const char *key, size_t *ret_len);
/* *@value stays when it is not there. Return: 0, -EINVAL no number in [@least, @most]. */
int model_argument_number(
	const char *arguments, const char *key, uint64_t least, uint64_t most, uint64_t *value);
/* fault=, after=, count=. Return: 0, -EINVAL. */
int model_break_as_told(struct usher_model_device *d, const char *arguments);

/* A device of that model, in a group of its own. Return: 0, what its init() says, -ENOMEM. */
int model_plug(const struct usher_model *m, const char *arguments, struct usher_model_device **ret);
/* No group or device of it is open any more. */
void model_unplug(struct usher_model_device *d);

int model_container_open(struct vfio_container *ret);
/* As vfio_group_open(): -EBUSY when it is open, or a device of it is. */
int model_group_open(struct usher_model_device *d, struct vfio_group *ret);

/* bus=. Return: 0, -EINVAL, -ENOSPC. */
int model_bus_join(struct usher_model_device *d, const char *arguments);
void model_bus_leave(struct usher_model_device *d); /* one that never joined is fine */
int model_hot_reset_info(struct usher_model_device *d, struct vfio_pci_hot_reset_info *i);
int model_hot_reset(struct usher_model_device *d, const struct vfio_pci_hot_reset *h);

/* The parts of it that other files need. */
/* What is the process's: registered models, numbers of groups, containers and who is in them. */
void model_lock(void);
void model_unlock(void);

/* One group more of an open container. NULL: @fd is none. */
struct model_container *model_container_get(int fd);
/* Devices may be opened. */
bool model_container_ready(struct model_container *c);
void model_container_put_group(struct model_container *c);
int model_device_open(struct usher_model_device *d);
void model_device_reset(struct usher_model_device *d);
int model_device_from_fd(struct vfio_group *g, int fd, struct vfio_dev *ret, struct err *e);
int model_set_irqs(struct usher_model_device *d, const void *arg);
void model_irqs_off(struct usher_model_device *d, uint32_t kind);
int model_irqs_count(const struct usher_model_device *d, uint32_t kind);
uint32_t model_irqs_flags(const struct usher_model_device *d, uint32_t kind);
void model_intx_update(struct usher_model_device *d);
void model_config_init(struct usher_model_device *d);
void model_config_reset(struct usher_model_device *d);
bool model_config_memory(const struct usher_model_device *d);
bool model_config_master(const struct usher_model_device *d);
uint32_t model_config_size(const struct usher_model_device *d);
void model_config_write(struct usher_model_device *d, uint64_t off, const uint8_t *buf, size_t len);

/* [@iova, +@len) with @access: calls @each for the pieces. Return: 0, -EFAULT, what it says. */
int model_container_walk(struct model_container *c, uint64_t iova, uint64_t len, uint32_t access,
	void (*each)(void *arg, uint8_t *host, uint64_t len), void *arg);

#endif
