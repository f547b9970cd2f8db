/* SPDX-License-Identifier: MIT */
#ifndef MODEL_NVME_H
#define MODEL_NVME_H

#include "regs/nvme.h"

#include <stdbool.h>
#include <stdint.h>
#include <usher/model.h>

/*
 * An NVMe controller with one namespace of 512-byte blocks in memory. "model:nvme" carries commands
 * out inside the doorbell's write. The doorbells of "model:nvme-mapped" are memory, as a real one's
 * are for its driver: nobody tells of them, and model_nvme_run() looks.
 * Arguments: blocks=N (8192), shadow (offers a doorbell buffer).
 */
#define MODEL_NVME_QUEUES 17 /* with the admin queue */
#define MODEL_NVME_BLOCK 512u
#define MODEL_NVME_MDTS 7 /* 512 KiB */

struct model_ring {
	uint64_t iova;
	uint32_t entries; /* 0: not there */
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
	uint64_t shadow, event; /* doorbell buffer; 0 none */
	bool offers_shadow;
	uint8_t *disk;
	uint64_t blocks;
	uint16_t bad_status; /* of USHER_FAULT_STATUS */
	uint64_t commands; /* carried out, admin ones too */
	uint64_t bells; /* doorbell registers written */
};

/* Looks at all doorbells, mapped or shadowed, and does what there is to do. */
void model_nvme_run(struct model_nvme *m);

#endif
