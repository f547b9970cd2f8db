/* SPDX-License-Identifier: MIT */
#ifndef DRIVER_NVME_H
#define DRIVER_NVME_H

#include "driver/nvme_path.h"

#include <stdbool.h>
#include <stdint.h>
#include <usher/device.h>

struct usher_err;

/*
 * An NVMe controller with one namespace, driven from this process.
 *
 *	nvme_open(device, &options, &n, &e);
 *	nvme_read(&n.queues[0], &buf, 0, lba, blocks, tag);	as often as the queue has room
 *	nvme_ring(&n.queues[0]);				one doorbell for all of them
 *	nvme_poll(&n.queues[0], done, COUNT(done));		completions, without a system call
 *
 * The controller is for one thread, and so is each I/O queue; these threads may differ.
 *
 * When a queue breaks (-ETIMEDOUT, -EIO fatal, -EPROTO), nvme_recover() resets the controller.
 * nvme_poll() then returns every command that was in flight once, with NVME_HOST_ABORTED. After
 * -ENODEV nothing is left to reset.
 */
#define NVME_QUEUES_MAX 16

struct nvme_options {
	unsigned queues; /* 1 to NVME_QUEUES_MAX; 0: 1 */
	unsigned depth; /* of each, a power of two; the controller may support fewer; 0: 64 */
	unsigned timeout_ms; /* of a command; 0: 5000 */
	uint32_t nsid; /* namespace; 0: 1 */
	bool interrupts; /* nvme_wait() sleeps on MSI-X; otherwise all queues are polled */
	bool no_shadow; /* plain doorbells, even if the controller supports a doorbell buffer */
};

struct nvme {
	struct usher_device *dev;
	struct nvme_options options;
	struct usher_window registers, doorbells;
	uint64_t cap;
	unsigned stride; /* of doorbells, as CAP.DSTRD */
	unsigned ready_ms; /* limit for the controller's start */
	struct nvme_queue admin;
	struct nvme_queue queues[NVME_QUEUES_MAX];
	unsigned queue_count;
	struct usher_buffer page; /* answers of identify */
	struct usher_buffer
		bells; /* doorbell buffer and event indices, one page each; host NULL: none */
	char serial[21]; /* text of the device: escape it before it is printed */
	char model[41];
	uint64_t blocks; /* of the namespace */
	unsigned block_shift; /* block of 1 << block_shift bytes */
	uint32_t max_blocks; /* of one command */
};

/*
 * @dev: stays the caller's and must outlive @ret. Do not move *@ret. @options: NULL for the
 * defaults. Call nvme_close() also on failure.
 * Return: 0; -ENODEV gone, or not an NVMe controller; -ETIMEDOUT the controller does not become
 * ready; -ENOTSUP a page or block size that this driver does not support; -EINVAL, -ENOSPC fewer
 * vectors than queues; -ENOMEM; -EIO a command failed.
 */
int nvme_open(struct usher_device *dev, const struct nvme_options *options, struct nvme *ret,
	struct usher_err *e);
/* Shuts the controller down, so that its cache is written to the medium. */
void nvme_close(struct nvme *n);

/* Resets the controller. Return: 0 all queues work again; -ENODEV gone; -ETIMEDOUT; -EIO. */
int nvme_recover(struct nvme *n, struct usher_err *e);

/*
 * Executes one admin command; the driver sets the identifier in cdw0. @ret: result, may be NULL.
 * Return: 0, -EIO an error status (in @e), -ETIMEDOUT, -ENODEV.
 */
int nvme_admin(struct nvme *n, const struct nvme_sqe *command, uint32_t *ret, struct usher_err *e);

#endif
