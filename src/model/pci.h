/* SPDX-License-Identifier: MIT */
#ifndef MODEL_PCI_H
#define MODEL_PCI_H

#include "model/space.h"
#include "vfio/device.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct model;

/*
 * A PCI function in this process, behind the calls of linux/vfio.h: configuration space, one BAR,
 * interrupts, reset, and knobs for what goes wrong. What it computes is its kind's business
 * (model/edu.h, model/nvme.h). It acts inside the access that makes it act, in the caller's
 * thread: a test needs no patience.
 */
#define MODEL_VECTORS 64

struct model_kind {
	uint16_t vendor, device;
	uint32_t class; /* 24 bits */
	uint32_t bar_size;
	bool intx, msi;
	uint32_t msix; /* vectors */
	/* @off is aligned to @size, and both lie in the BAR. */
	uint64_t (*read)(struct model *m, uint32_t off, unsigned size);
	void (*write)(struct model *m, uint32_t off, unsigned size, uint64_t value);
	void (*reset)(struct model *m);
};

/* What can be made to go wrong. Each kind of device has its own moments for it. */
enum model_fault {
	MODEL_FAULT_NONE,
	MODEL_FAULT_TIMEOUT, /* an operation is never finished */
	MODEL_FAULT_STATUS, /* one ends with a bad status */
	MODEL_FAULT_SHORT, /* one moves half of its data */
	MODEL_FAULT_VANISH, /* the device is gone, as if pulled */
	MODEL_FAULT_FATAL, /* it gives up until it is reset */
	MODEL_FAULT_STRAY, /* it answers what nobody asked */
};

struct model {
	const struct model_kind *kind;
	struct model_space *space;
	uint8_t config[256];
	int irq_on; /* index of the kind of interrupts that is on; -1 none */
	int event_fds[MODEL_VECTORS];
	bool line; /* INTx is asserted */
	bool masked; /* by VFIO, at each INTx */
	bool gone;
	enum model_fault fault;
	unsigned fault_after; /* operations that still go well */
	unsigned fault_count; /* and then so many that do not */
	unsigned resets;
	uint64_t lost; /* DMA and interrupts dropped since bus mastering was off */
	uint8_t *mapped; /* page of the BAR that a driver maps; NULL: all is trapped */
	uint32_t mapped_off;
	int mapped_fd;
};

void model_init(struct model *m, const struct model_kind *kind, struct model_space *space);
void model_fini(struct model *m);

/* Lets drivers map the BAR's page at @off: writes to it are then seen by nobody. Return: 0, -errno. */
int model_map_page(struct model *m, uint32_t off);

/* @m outlives @ret. Return: 0, -errno. */
int model_device(struct model *m, struct vfio_dev *ret, struct err *e);

/* @after operations go well, the next @count meet @fault. */
void model_break(struct model *m, enum model_fault fault, unsigned after, unsigned count);

/* For kinds: one operation begins; is it one that meets @fault? */
enum model_fault model_meets(struct model *m);
/* For kinds. DMA: NULL when it goes nowhere. */
void *model_dma(struct model *m, uint64_t iova, uint64_t len, uint32_t access);
void model_signal(struct model *m, unsigned vector); /* MSI, MSI-X */
void model_line(struct model *m, bool up); /* INTx */

#endif
