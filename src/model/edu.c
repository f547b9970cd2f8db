/* SPDX-License-Identifier: MIT */
#include "model/edu.h"

#include "base/bits.h"
#include "base/num.h"
#include "model/host.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_1 0x01000000u

static void raise_irq(struct model_edu *m, uint32_t bits)
{
	m->irq |= bits;
	if (!m->irq)
		return;
	usher_model_msi(m->dev, 0);
	usher_model_intx(m->dev, 1);
}

static void lower_irq(struct model_edu *m, uint32_t bits)
{
	m->irq &= ~bits;
	if (!m->irq)
		usher_model_intx(m->dev, 0);
}

static void edu_factorial(struct model_edu *m, uint32_t n)
{
	enum usher_model_fault f = usher_model_meets(m->dev);
	uint32_t product = 1;

	if (f == USHER_FAULT_TIMEOUT) {
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

/* One end is in the device, the other in memory. QEMU aborts if the device end is out of range. */
static void edu_copy(struct model_edu *m)
{
	enum usher_model_fault f = usher_model_meets(m->dev);
	bool out = m->command & EDU_DMA_FROM_DEVICE;
	uint64_t here = out ? m->source : m->target, there = out ? m->target : m->source;
	uint64_t len = m->count;

	if (f == USHER_FAULT_TIMEOUT)
		return;
	if (f == USHER_FAULT_SHORT)
		len /= 2;
	if (here >= EDU_MEMORY && range_ok(here - EDU_MEMORY, m->count, EDU_MEMORY_SIZE)) {
		uint8_t *mine = m->memory + (here - EDU_MEMORY);
		const usher_iova_t iova = {there & EDU_DMA_MASK};
		/* The device does not report errors of its DMA. */
		if (out)
			(void)usher_model_dma_write(m->dev, iova, mine, len);
		else
			(void)usher_model_dma_read(m->dev, iova, mine, len);
	}
	m->command &= ~(uint64_t)EDU_DMA_RUN;
	if (m->command & EDU_DMA_IRQ)
		raise_irq(m, EDU_IRQ_DMA);
}

static uint64_t edu_read(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	const struct model_edu *m = state;

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

static void write_dma(struct model_edu *m, uint64_t off, uint64_t value)
{
	/* The engine ignores writes while it copies. */
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
			edu_copy(m);
		break;
	default:
		break;
	}
}

static void edu_write(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	struct model_edu *m = state;
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
			edu_factorial(m, word);
		break;
	case EDU_STATUS:
		m->status = (m->status & EDU_STATUS_COMPUTING) | (word & EDU_STATUS_IRQ);
		break;
	case EDU_IRQ_RAISE:
		/* This is an operation, too: a lost interrupt is a fault of its own. */
		if (usher_model_meets(d) != USHER_FAULT_TIMEOUT)
			raise_irq(m, word);
		break;
	case EDU_IRQ_ACK:
		lower_irq(m, word);
		break;
	default:
		break;
	}
}

static void edu_reset(struct usher_model_device *d, void *state)
{
	struct model_edu *m = state;

	m->liveness = m->factorial = m->status = m->irq = 0;
	m->source = m->target = m->count = m->command = 0;
}

static int edu_init(struct usher_model_device *d, const char *arguments, void **ret_state)
{
	struct model_edu *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->dev = d;
	*ret_state = m;
	return 0;
}

static void edu_fini(struct usher_model_device *d, void *state)
{
	free(state);
}

static const struct usher_model_ops ops = {
	.init = edu_init,
	.fini = edu_fini,
	.reset = edu_reset,
	.read = edu_read,
	.write = edu_write,
};

const struct usher_model model_edu = {
	.name = "edu",
	.shape = {.vendor = EDU_VENDOR,
		.device = EDU_DEVICE,
		.class_code = 0x00ff00,
		.bar_size = {EDU_BAR_SIZE},
		.intx = 1,
		.msi = 1},
	.ops = &ops,
};
