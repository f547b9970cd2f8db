/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_ATTACH_H
#define DRIVER_ATTACH_H

#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * What a driver stands on: a device, the I/O address space it lives in, and nothing of how it was
 * opened. The same driver runs on the kernel's VFIO, on descriptors that `usher exec` handed over,
 * and on a model in this process.
 */
struct attachment {
	struct vfio_container container;
	struct vfio_dev dev;
	struct vfio_region config;
	struct vfio_iommu iommu;
	uint64_t next_iova;
	uint64_t locked; /* [bytes] mapped now: what counts against RLIMIT_MEMLOCK */
};

#define ATTACHMENT_NONE \
	((struct attachment){.container = VFIO_CONTAINER_NONE, .dev = VFIO_DEV_NONE})

/*
 * What `usher exec` hands over stands in the environment, one word a device:
 * "0000:01:00.0=fd:3,none,4 0000:02:00.0=fd:3,none,5": container, group (not handed over), device.
 */
#define ATTACH_VARIABLE "USHER_DEVICE"

/*
 * Takes a device that `usher exec` handed over. @name: its address, NULL for the first. In any
 * case attach_close().
 * Return: 0; -ENOENT there is none (the hint says how to get one); -EINVAL; -errno.
 */
int attach_inherit(const char *name, struct attachment *ret, struct err *e);

/* Takes two descriptors over: a container with its IOMMU set, a device. Return: 0, -errno. */
int attach_fds(int container, int device, struct attachment *ret, struct err *e);

/* What both already speak to: opened by the caller, or a model. Return: 0, -errno. */
int attach_open(const struct vfio_container *c, const struct vfio_dev *d, struct attachment *ret,
	struct err *e);

void attach_close(struct attachment *a);

/* Bus mastering: off at open; without it DMA and message interrupts go nowhere. Return: 0, -errno. */
int attach_master(struct attachment *a, bool on, struct err *e);

/* Refuses a device that is not @vendor:@device. Return: 0, -ENODEV. */
int attach_expect(struct attachment *a, uint16_t vendor, uint16_t device, struct err *e);

/* Memory that both the program and the device reach; zeroed, whole pages. */
struct dma_buf {
	void *mem;
	uint64_t iova;
	uint64_t size; /* [bytes] */
};

/*
 * @mask: the highest address the device can put on the bus.
 * Return: 0; -ENOMEM, when RLIMIT_MEMLOCK is the reason the hint says how much is needed in all;
 * -ENOSPC no I/O addresses left below the mask.
 */
int dma_buf_new(
	struct attachment *a, uint64_t size, uint64_t mask, struct dma_buf *ret, struct err *e);

/* The device must be done with it. Return: 0, -errno when the device could still reach it. */
int dma_buf_free(struct attachment *a, struct dma_buf *b, struct err *e);

/* A BAR, mapped where it may be; the rest goes through the kernel, or the model, word by word. */
struct window {
	struct vfio_dev *dev;
	struct vfio_region region;
	struct vfio_area mapped; /* the part that is at mem */
	uint8_t *mem; /* NULL: nothing is */
};

/* Return: 0; -ENODEV the BAR has fewer than @least bytes; -errno. */
int window_open(
	struct attachment *a, uint32_t index, uint64_t least, struct window *ret, struct err *e);
void window_close(struct window *w);

/* A register that does not answer reads as all-ones, as on the bus. @off: naturally aligned. */
uint32_t window_get32(struct window *w, uint64_t off);
uint64_t window_get64(struct window *w, uint64_t off);
void window_put32(struct window *w, uint64_t off, uint32_t value);
/* As two words, low one first: not every device takes eight bytes at once. */
void window_put64(struct window *w, uint64_t off, uint64_t value);

/* Where a register is mapped, NULL when it is not. */
volatile uint32_t *window_at(const struct window *w, uint64_t off);

#endif
