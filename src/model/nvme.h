/* SPDX-License-Identifier: MIT */
#ifndef MODEL_NVME_H
#define MODEL_NVME_H

#include "driver/nvme_regs.h"
#include "model/pci.h"

/*
 * An NVMe controller with one namespace of 512-byte blocks in memory. Commands are carried out
 * inside the doorbell's write; with model_map_page(…, NVME_DOORBELLS) nobody tells of doorbells,
 * and model_nvme_run() looks at them.
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
	struct model pci;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	struct model_ring sq[MODEL_NVME_QUEUES], cq[MODEL_NVME_QUEUES];
	uint64_t shadow, event; /* doorbell buffer; 0 none */
	bool offers_shadow;
	uint8_t *disk; /* the caller's */
	uint64_t blocks;
	uint16_t bad_status; /* of MODEL_FAULT_STATUS */
	uint64_t commands; /* carried out, admin ones too */
	uint64_t bells; /* doorbell registers written */
};

/* @disk: @blocks of MODEL_NVME_BLOCK bytes, the caller's, NULL: reads give zeroes untouched. */
void model_nvme_init(
	struct model_nvme *m, struct model_space *space, uint8_t *disk, uint64_t blocks);
void model_nvme_fini(struct model_nvme *m);

/* Looks at all doorbells, mapped or shadowed, and does what there is to do. */
void model_nvme_run(struct model_nvme *m);

#endif
