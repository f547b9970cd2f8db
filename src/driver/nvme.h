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
 *	nvme_read(&n.queues[0], &buf, 0, lba, blocks, tag);	as many as the queue takes
 *	nvme_ring(&n.queues[0]);				the device is told, once for all
 *	nvme_poll(&n.queues[0], done, COUNT(done));		who is done, no system call
 *
 * The controller belongs to one thread; each I/O queue to one thread of its own choice.
 *
 * When a queue breaks (-ETIMEDOUT, -EIO fatal, -EPROTO) nvme_recover() resets the controller; every
 * command that was under way then comes back from nvme_poll() once, with NVME_HOST_ABORTED. After
 * -ENODEV there is nothing left to reset.
 */
#define NVME_QUEUES_MAX 16

struct nvme_options {
	unsigned queues; /* 0: 1; [1, NVME_QUEUES_MAX] */
	unsigned depth; /* of each, a power of two; fewer where the controller's rings end; 0: 64 */
	unsigned timeout_ms; /* of a command; 0: 5000 */
	uint32_t nsid; /* 0: 1 */
	bool interrupts; /* nvme_wait() sleeps on MSI-X; else everything polls */
	bool no_shadow; /* plain doorbells even where the controller has a doorbell buffer */
};

struct nvme {
	struct usher_device *dev;
	struct nvme_options options;
	struct usher_window registers, doorbells;
	uint64_t cap;
	unsigned stride; /* of doorbells, as CAP.DSTRD */
	unsigned ready_ms; /* how long the controller may take to start */
	struct nvme_queue admin;
	struct nvme_queue queues[NVME_QUEUES_MAX];
	unsigned queue_count;
	struct usher_buffer page; /* answers of identify */
	struct usher_buffer
		bells; /* doorbell buffer and event indices, one page each; host NULL: none */
	char serial[21]; /* escaped where it is printed: it is the device's text */
	char model[41];
	uint64_t blocks; /* of the namespace */
	unsigned block_shift; /* block of 1 << block_shift bytes */
	uint32_t max_blocks; /* of one command */
};

/*
 * @dev: stays the caller's, and outlives @ret, which stays where it is. @options: NULL for the
 * defaults. In any case nvme_close().
 * Return: 0; -ENODEV not there, or not an NVMe controller; -ETIMEDOUT it does not get ready;
 * -ENOTSUP a page or block size that this driver does not know; -EINVAL, -ENOSPC fewer vectors
 * than queues; -ENOMEM; -EIO a command failed.
 */
int nvme_open(struct usher_device *dev, const struct nvme_options *options, struct nvme *ret,
	struct usher_err *e);
/* Shuts the controller down in order, so that its cache is on the medium. */
void nvme_close(struct nvme *n);

/* Return: 0, with all queues usable again; -ENODEV gone; -ETIMEDOUT; -EIO. */
int nvme_recover(struct nvme *n, struct usher_err *e);

/*
 * One admin command, to its end; cdw0's identifier is set here. @ret: result, may be NULL.
 * Return: 0, -EIO a bad status (in @e), -ETIMEDOUT, -ENODEV.
 */
int nvme_admin(struct nvme *n, const struct nvme_sqe *command, uint32_t *ret, struct usher_err *e);

#endif
