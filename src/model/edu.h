/* SPDX-License-Identifier: MIT */
#ifndef MODEL_EDU_H
#define MODEL_EDU_H

#include "regs/edu.h"

#include <stdint.h>
#include <usher/model.h>

/* State of "model:edu": QEMU's educational device (docs/specs/edu), which answers at once. */
struct model_edu {
	struct usher_model_device *dev;
	uint32_t liveness, factorial, status, irq;
	uint64_t source, target, count, command;
	uint8_t memory[EDU_MEMORY_SIZE];
};

#endif
