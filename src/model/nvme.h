/* SPDX-License-Identifier: MIT */
#ifndef MODEL_NVME_H
#define MODEL_NVME_H

#include "regs/nvme.h"

#include <stdbool.h>
#include <stdint.h>
#include <usher/model.h>

/*
 * An NVMe controller with one namespace of 512-byte blocks in memory. "model:nvme" executes
 * commands inside the write of a doorbell. The doorbells of "model:nvme-mapped" are memory, as
 * those of a real controller are for its driver: model_nvme_run() reads them. Arguments: blocks=N
 * (default: 8192), shadow (supports a doorbell buffer).
 */
#define MODEL_NVME_QUEUES 17 /* with the admin queue */
#define MODEL_NVME_BLOCK 512u
#define MODEL_NVME_MDTS 7 /* 512 KiB */

struct model_ring {
	uint64_t iova;
	uint32_t entries; /* 0: the queue does not exist */
	uint32_t head, tail;
	uint32_t phase;
	uint32_t vector; /* of a completion queue */
	bool irq;
};

struct model_nvme {
	struct usher_model_device *dev;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	struct model_ring sq[MODEL_NVME_QUEUES], cq[MODEL_NVME_QUEUES];
	uint64_t shadow, event; /* doorbell buffer; 0: none */
	bool offers_shadow;
	uint8_t *disk;
	uint64_t blocks;
	uint16_t bad_status; /* of USHER_FAULT_STATUS */
	uint16_t grants; /* queue pairs that a driver may have */
	uint64_t commands; /* executed, with admin commands */
	uint64_t bells; /* doorbell registers written */
};

/* Reads all doorbells, mapped or shadowed, and executes the commands. */
void model_nvme_run(struct model_nvme *m);

#endif
