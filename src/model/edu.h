/* SPDX-License-Identifier: MIT */
#ifndef MODEL_EDU_H
#define MODEL_EDU_H

#include "driver/edu_regs.h"
#include "model/pci.h"

/* QEMU's educational device (docs/specs/edu), with answers at once. */
struct model_edu {
	struct model pci;
	uint32_t liveness, factorial, status, irq;
	uint64_t source, target, count, command;
	uint8_t memory[EDU_MEMORY_SIZE];
};

void model_edu_init(struct model_edu *m, struct model_space *space);
void model_edu_fini(struct model_edu *m);

#endif
