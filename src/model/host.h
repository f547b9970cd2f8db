/* SPDX-License-Identifier: MIT */
#ifndef MODEL_HOST_H
#define MODEL_HOST_H

#include "vfio/device.h"
#include "vfio/hotreset.h"
#include "vfio/ioas.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <pthread.h>
#include <stdbool.h>
#include <usher/model.h>

struct err;

/*
 * VFIO in this process: what the kernel is to a device, these files are to a model of one.
 *
 * How it works. model/ioas.c and model/verbs.c are the back end: the verbs of vfio/ioas.h and
 * vfio/device.h. They take the kernel's steps: a container gets its IOMMU when its first group
 * enters, a group has one owner, a device is opened through its group. Each step has the kernel's
 * result and errno, so that one table of errnos holds for both (test/unit/lib/errno_rows.c).
 * Each device is alone in a group. Descriptors are real ones (eventfds), so that they can be
 * compared, closed and mistaken.
 */
extern const struct vfio_ioas_ops model_ioas;

#define MODEL_CONFIG_SIZE 4096
#define MODEL_KINDS 5 /* INTx, MSI, MSI-X, ERR, REQ */
#define MODEL_REGIONS 9

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
	bool open; /* its opener has it; groups keep it alive, too */
	unsigned groups;
	/* Under lock. */
	bool has_iommu;
	struct model_mapping *maps; /* by iova */
	size_t count, room;
	uint64_t locked, lock_limit; /* [bytes]; lock_limit 0: none */
	uint32_t entry_limit; /* of mappings, as dma_entry_limit of vfio_iommu_type1 */
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
	bool is_bound; /* its space keeps the group without an open device */
	unsigned attached; /* how many times its space has it attached */
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
	unsigned resets; /* that its user requested */
	uint64_t dma_lost; /* DMA and MSIs while bus mastering was off */
	uint64_t dma_faults; /* DMA without a mapping of that access */
	bool no_reset;
	bool no_resize; /* MSI-X vectors cannot be added while others are on, as before Linux 6.5 */
	uint32_t vectors; /* of MSI or MSI-X that the host has left; UINT32_MAX: enough */
	unsigned bus, slot; /* bus 0: a root bus, which cannot be reset */
	int group_fd; /* while group_open */
	struct usher_model_device *next; /* of all that are plugged */
};

/* Built-in models. */
extern const struct usher_model model_edu, model_nvme, model_nvme_mapped;

/* A model by its name. Return: NULL none is registered. */
const struct usher_model *model_find(const char *name);

/* Finds "key=value" or "key" in "a=1,b". Return: the value, and its length; NULL not there. */
const char *model_argument(const char *arguments, const char *key, size_t *ret_len);
/* Leaves *@value alone if it is not there. Return: 0, -EINVAL not a number in [@least, @most]. */
int model_argument_number(
	const char *arguments, const char *key, uint64_t least, uint64_t most, uint64_t *value);
/* Applies fault=, after=, count=. Return: 0, -EINVAL. */
int model_break_as_told(struct usher_model_device *d, const char *arguments);

/* Makes a device of a model, in a group of its own. Return: 0, -ENOMEM, as its init(). */
int model_plug(const struct usher_model *m, const char *arguments, struct usher_model_device **ret);
/* Frees a device. Neither its group nor a descriptor of it may be open. */
void model_unplug(struct usher_model_device *d);

/* The plugged device in this IOMMU group. NULL: none. */
struct usher_model_device *model_find_plugged(int group);
/* A plugged device whose open group is in the container. NULL: none. */
struct usher_model_device *model_find_inside(const struct model_container *c);
/* The first of all plugged devices; the others follow by ->next. Under model_lock(). */
struct usher_model_device *model_plugged(void);
void model_plugged_add(struct usher_model_device *d); /* gives it a group of its own */
void model_plugged_remove(struct usher_model_device *d); /* one that was never added is fine */

/* The kernel's steps with a container. Each returns 0 or the kernel's errno. */
int model_container_open(struct model_container **ret);
void model_container_close(struct model_container *c); /* groups inside keep it alive */
/* The open container of a descriptor, with one group more. NULL: @fd is none. */
struct model_container *model_container_get(int fd);
void model_container_put_group(struct model_container *c);
int model_container_set_iommu(struct model_container *c); /* -EINVAL no group, or set already */
bool model_container_ready(struct model_container *c); /* the IOMMU is set: devices may be opened */
int model_container_info(struct model_container *c, struct vfio_iommu *ret);
int model_container_map(
	struct model_container *c, iova_t iova, void *host, uint64_t size, unsigned access);
/* Unmaps all mappings inside [@iova, +@size). *@ret: how many bytes that were. */
int model_container_unmap(struct model_container *c, iova_t iova, uint64_t size, uint64_t *ret);
void model_container_unmap_all(struct model_container *c, uint64_t *ret);
/* Calls @each for the pieces of [@iova, +@len), mapped with @access. Return: 0, -EFAULT. */
int model_container_walk(struct model_container *c, uint64_t iova, uint64_t len, uint32_t access,
	void (*each)(void *arg, uint8_t *host, uint64_t len), void *arg);

/* The kernel's steps with the group of a device. */
int model_group_open(struct usher_model_device *d); /* Return: descriptor, -EBUSY */
void model_group_close(struct usher_model_device *d);
int model_group_set_container(struct usher_model_device *d, int fd);
int model_group_unset_container(struct usher_model_device *d);
/* Opens the device. @name: its name, perhaps with a token behind a blank. Return: descriptor. */
int model_group_device(struct usher_model_device *d, const char *name);

/* The verbs of an open device. @fd: from model_group_device(). */
int model_device_verbs(struct usher_model_device *d, int fd, struct vfio_dev *ret, struct err *e);
extern const struct vfio_dev_ops model_verbs;

/* Applies bus=. Return: 0, -EINVAL, -ENOSPC. */
int model_bus_join(struct usher_model_device *d, const char *arguments);
int model_bus_dependents(struct usher_model_device *d, struct vfio_dependent **ret);
int model_bus_reset(struct usher_model_device *d, const int *groups, size_t count);

/* The life of a device. */
int model_device_open(struct usher_model_device *d);
void model_device_close(struct usher_model_device *d); /* one descriptor less */
void model_device_reset(struct usher_model_device *d);
uint64_t model_region_size(const struct usher_model_device *d, uint64_t index);
/* Where a BAR's memory begins. Return: its size if it has none. */
uint64_t model_region_memory(const struct usher_model_device *d, uint64_t index);

/* Guards what the process has once: models, plugged devices, containers and their groups. */
void model_lock(void);
void model_unlock(void);

int model_irqs_set(struct usher_model_device *d, uint32_t kind, uint32_t start, const int *fds,
	uint32_t count);
int model_irqs_act(struct usher_model_device *d, uint32_t kind, enum vfio_irq_act act,
	uint32_t start, uint32_t count);
int model_irqs_unmask_fd(struct usher_model_device *d, uint32_t kind, int fd);
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

#endif
