/* SPDX-License-Identifier: MIT */
#include "model/edu.h"

#include <string.h>

#include "base/bits.h"
#include "base/num.h"
#include "vfio/dma.h"

#define VERSION_1 0x01000000u

static void raise_irq(struct model_edu *m, uint32_t bits)
{
	m->irq |= bits;
	if (!m->irq)
		return;
	model_signal(&m->pci, 0);
	model_line(&m->pci, true);
}

static void lower_irq(struct model_edu *m, uint32_t bits)
{
	m->irq &= ~bits;
	if (!m->irq)
		model_line(&m->pci, false);
}

static void factorial(struct model_edu *m, uint32_t n)
{
	enum model_fault f = model_meets(&m->pci);
	uint32_t product = 1;

	if (f == MODEL_FAULT_TIMEOUT) {
		m->status |= EDU_STATUS_COMPUTING;
		return;
	}
	/* From 34 on all products are 0, modulo 2^32. */
	for (uint32_t i = 2; i <= n && product; i++)
		product *= i;
	m->factorial = product;
	if (m->status & EDU_STATUS_IRQ)
		raise_irq(m, EDU_IRQ_FACTORIAL);
}

/* The end in the device, and the end in memory; QEMU itself stops at an end that is not there. */
static void copy(struct model_edu *m)
{
	enum model_fault f = model_meets(&m->pci);
	bool out = m->command & EDU_DMA_FROM_DEVICE;
	uint64_t here = out ? m->source : m->target, there = out ? m->target : m->source;
	uint64_t len = m->count;

	if (f == MODEL_FAULT_TIMEOUT)
		return;
	if (f == MODEL_FAULT_SHORT)
		len /= 2;
	if (here >= EDU_MEMORY && range_ok(here - EDU_MEMORY, m->count, EDU_MEMORY_SIZE)) {
		uint8_t *device = m->memory + (here - EDU_MEMORY);
		void *memory = model_dma(&m->pci, there & EDU_DMA_MASK, m->count,
			out ? VFIO_DMA_WRITE : VFIO_DMA_READ);
		if (memory && out)
			memcpy(memory, device, len);
		else if (memory)
			memcpy(device, memory, len);
	}
	m->command &= ~(uint64_t)EDU_DMA_RUN;
	if (m->command & EDU_DMA_IRQ)
		raise_irq(m, EDU_IRQ_DMA);
}

static uint64_t edu_read(struct model *pci, uint32_t off, unsigned size)
{
	struct model_edu *m = container_of(pci, struct model_edu, pci);

	if (off < EDU_DMA_SOURCE && size != 4)
		return all_ones(size);
	switch (off) {
	case EDU_ID:
		return VERSION_1 | EDU_ID_IS;
	case EDU_LIVENESS:
		return m->liveness;
	case EDU_FACTORIAL:
		return m->factorial;
	case EDU_STATUS:
		return m->status;
	case EDU_IRQ_STATUS:
		return m->irq;
	case EDU_DMA_SOURCE:
		return m->source;
	case EDU_DMA_TARGET:
		return m->target;
	case EDU_DMA_COUNT:
		return m->count;
	case EDU_DMA_COMMAND:
		return m->command;
	default:
		return all_ones(size);
	}
}

static void write_dma(struct model_edu *m, uint32_t off, uint64_t value)
{
	/* While it copies the engine takes no orders. */
	if (m->command & EDU_DMA_RUN)
		return;
	switch (off) {
	case EDU_DMA_SOURCE:
		m->source = value;
		break;
	case EDU_DMA_TARGET:
		m->target = value;
		break;
	case EDU_DMA_COUNT:
		m->count = value;
		break;
	case EDU_DMA_COMMAND:
		m->command = value;
		if (value & EDU_DMA_RUN)
			copy(m);
		break;
	default:
		break;
	}
}

static void edu_write(struct model *pci, uint32_t off, unsigned size, uint64_t value)
{
	struct model_edu *m = container_of(pci, struct model_edu, pci);
	uint32_t word = (uint32_t)value;

	if (off >= EDU_DMA_SOURCE) {
		write_dma(m, off, value);
		return;
	}
	if (size != 4)
		return;
	switch (off) {
	case EDU_LIVENESS:
		m->liveness = ~word;
		break;
	case EDU_FACTORIAL:
		if (!(m->status & EDU_STATUS_COMPUTING))
			factorial(m, word);
		break;
	case EDU_STATUS:
		m->status = (m->status & EDU_STATUS_COMPUTING) | (word & EDU_STATUS_IRQ);
		break;
	case EDU_IRQ_RAISE:
		/* A moment too: that it never comes is a fault of its own. */
		if (model_meets(pci) != MODEL_FAULT_TIMEOUT)
			raise_irq(m, word);
		break;
	case EDU_IRQ_ACK:
		lower_irq(m, word);
		break;
	default:
		break;
	}
}

static void edu_reset(struct model *pci)
{
	struct model_edu *m = container_of(pci, struct model_edu, pci);

	m->liveness = m->factorial = m->status = m->irq = 0;
	m->source = m->target = m->count = m->command = 0;
}

void model_edu_init(struct model_edu *m, struct model_space *space)
{
	static const struct model_kind kind = {
		.vendor = EDU_VENDOR,
		.device = EDU_DEVICE,
		.class = 0x00ff00,
		.bar_size = EDU_BAR_SIZE,
		.intx = true,
		.msi = true,
		.read = edu_read,
		.write = edu_write,
		.reset = edu_reset,
	};

	memset(m->memory, 0, sizeof(m->memory));
	model_init(&m->pci, &kind, space);
}

void model_edu_fini(struct model_edu *m)
{
	model_fini(&m->pci);
}
