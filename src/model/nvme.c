/* SPDX-License-Identifier: MIT */
#include "model/nvme.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/num.h"
#include "model/host.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1024u /* CAP.MQES + 1 */
#define VERSION_14 0x00010400u
#define VECTORS 17u
#define LIST_ENTRIES (NVME_PAGE / 8)
#define BLOCKS 8192u
#define BLOCKS_MAX (UINT64_C(1) << 21) /* 1 GiB */

static uint64_t nvme_capabilities(void)
{
	/* Contiguous queues wanted; 500 ms to get ready; NVM command set. */
	return (ENTRIES_MAX - 1) | BIT64(16) | UINT64_C(1) << 24 | BIT64(37);
}

/* --- Data ------------------------------------------------------------------------------------ */

static bool read_host(struct model_nvme *m, uint64_t iova, void *to, uint64_t len)
{
	return !usher_model_dma_read(m->dev, (usher_iova_t){iova}, to, len);
}

static bool write_host(struct model_nvme *m, uint64_t iova, const void *from, uint64_t len)
{
	return !usher_model_dma_write(m->dev, (usher_iova_t){iova}, from, len);
}

/* Copies one piece, which lies in one page. Return: NVME_OK, _DATA_TRANSFER_ERROR. */
static uint16_t move_piece(
	struct model_nvme *m, uint64_t iova, uint8_t *disk, uint32_t len, bool out)
{
	bool moved = out ? read_host(m, iova, disk, len) : write_host(m, iova, disk, len);

	return moved ? NVME_OK : NVME_DATA_TRANSFER_ERROR;
}

/* Copies the rest of the data by PRP2: one page, or a list of pages. */
static uint16_t move_rest(
	struct model_nvme *m, uint64_t prp2, uint8_t *disk, uint32_t len, bool out)
{
	if (len <= NVME_PAGE)
		return move_piece(m, prp2, disk, len, out);
	uint32_t pages = (len + NVME_PAGE - 1) / NVME_PAGE;
	uint64_t list[LIST_ENTRIES];
	if (pages > LIST_ENTRIES || prp2 & 7)
		return NVME_INVALID_FIELD;
	if (!read_host(m, prp2, list, pages * sizeof(list[0])))
		return NVME_DATA_TRANSFER_ERROR;
	for (uint32_t i = 0; i < pages; i++) {
		uint32_t n = (uint32_t)min_u64(len, NVME_PAGE);
		uint64_t page = le64toh(list[i]);
		uint16_t status = page & (NVME_PAGE - 1) ? NVME_INVALID_FIELD
							 : move_piece(m, page, disk, n, out);
		if (status)
			return status;
		disk += n;
		len -= n;
	}
	return NVME_OK;
}

static uint16_t transfer_data(struct model_nvme *m, const struct nvme_sqe *c, bool out, bool half)
{
	uint64_t lba = le32toh(c->cdw10) | (uint64_t)le32toh(c->cdw11) << 32;
	uint32_t blocks = (le32toh(c->cdw12) & 0xffff) + 1;
	uint32_t len = blocks * MODEL_NVME_BLOCK;
	uint64_t prp1 = le64toh(c->prp1);

	if (le32toh(c->nsid) != 1)
		return NVME_INVALID_NAMESPACE;
	if (len > NVME_PAGE << MODEL_NVME_MDTS)
		return NVME_INVALID_FIELD;
	if (!range_ok(lba, blocks, m->blocks))
		return NVME_LBA_OUT_OF_RANGE;
	uint8_t *disk = m->disk + lba * MODEL_NVME_BLOCK;
	if (half)
		len /= 2;
	uint32_t first = (uint32_t)min_u64(len, NVME_PAGE - (prp1 & (NVME_PAGE - 1)));
	uint16_t status = move_piece(m, prp1, disk, first, out);
	if (status == NVME_OK && len > first)
		status = move_rest(m, le64toh(c->prp2), disk + first, len - first, out);
	return half && status == NVME_OK ? NVME_DATA_TRANSFER_ERROR : status;
}

static uint16_t io_command(struct model_nvme *m, const struct nvme_sqe *c, bool half)
{
	switch (le32toh(c->cdw0) & 0xff) {
	case NVME_FLUSH:
		return NVME_OK;
	case NVME_READ:
		return transfer_data(m, c, false, half);
	case NVME_WRITE:
		return transfer_data(m, c, true, half);
	default:
		return NVME_INVALID_OPCODE;
	}
}

/* --- Admin commands -------------------------------------------------------------------------- */

static uint16_t identify_command(struct model_nvme *m, const struct nvme_sqe *c)
{
	static const char serial[] = "model               ";
	static const char model[] = "usher model of NVMe                     ";
	uint8_t id[NVME_PAGE] = {0};

	switch (le32toh(c->cdw10) & 0xff) {
	case NVME_CNS_CONTROLLER:
		memcpy(id + NVME_ID_SERIAL, serial, sizeof(serial) - 1);
		memcpy(id + NVME_ID_MODEL, model, sizeof(model) - 1);
		id[NVME_ID_MDTS] = MODEL_NVME_MDTS;
		le16_put(id + NVME_ID_OACS, m->offers_shadow ? NVME_OACS_DOORBELL_BUFFER : 0);
		le32_put(id + NVME_ID_NN, 1);
		break;
	case NVME_CNS_NAMESPACE:
		if (le32toh(c->nsid) != 1)
			break; /* the data of an inactive namespace is zero */
		le64_put(id + NVME_NS_SIZE, m->blocks);
		id[NVME_NS_LBAF + 2] = 9;
		break;
	default:
		return NVME_INVALID_FIELD;
	}
	return write_host(m, le64toh(c->prp1), id, sizeof(id)) ? NVME_OK : NVME_DATA_TRANSFER_ERROR;
}

static uint16_t create_ring(const struct nvme_sqe *c, struct model_ring *rings)
{
	uint32_t dw10 = le32toh(c->cdw10), dw11 = le32toh(c->cdw11);
	uint32_t id = dw10 & 0xffff, entries = (dw10 >> 16) + 1;

	if (!id || id >= MODEL_NVME_QUEUES || rings[id].entries)
		return NVME_INVALID_QUEUE;
	if (!(dw11 & NVME_QUEUE_CONTIGUOUS) || entries < 2 || entries > ENTRIES_MAX)
		return NVME_INVALID_FIELD;
	rings[id] = (struct model_ring){
		.iova = le64toh(c->prp1),
		.entries = entries,
		.phase = 1,
		.vector = dw11 >> 16,
		.irq = dw11 & NVME_QUEUE_IRQ,
	};
	return NVME_OK;
}

static uint16_t admin_command(struct model_nvme *m, const struct nvme_sqe *c, uint32_t *result)
{
	uint32_t id = le32toh(c->cdw10) & 0xffff;

	switch (le32toh(c->cdw0) & 0xff) {
	case NVME_IDENTIFY:
		return identify_command(m, c);
	case NVME_SET_FEATURES:
		*result = (m->grants - 1u) | (m->grants - 1u) << 16;
		return id == NVME_FEATURE_QUEUES ? NVME_OK : NVME_INVALID_FIELD;
	case NVME_CREATE_CQ:
		return create_ring(c, m->cq);
	case NVME_CREATE_SQ:
		/*
		 * The completion queue must have the same number, which is all that our driver
		 * uses.
		 */
		if (id >= MODEL_NVME_QUEUES || !m->cq[id].entries || le32toh(c->cdw11) >> 16 != id)
			return NVME_INVALID_QUEUE;
		return create_ring(c, m->sq);
	case NVME_DELETE_CQ:
	case NVME_DELETE_SQ:
		if (!id || id >= MODEL_NVME_QUEUES)
			return NVME_INVALID_QUEUE;
		m->sq[id].entries = 0;
		return NVME_OK;
	case NVME_DOORBELL_BUFFER:
		if (!m->offers_shadow)
			return NVME_INVALID_OPCODE;
		m->shadow = le64toh(c->prp1);
		m->event = le64toh(c->prp2);
		return NVME_OK;
	default:
		return NVME_INVALID_OPCODE;
	}
}

/* --- Queues ---------------------------------------------------------------------------------- */

static void give_up(struct model_nvme *m)
{
	m->csts |= NVME_CSTS_CFS;
}

static void complete_command(
	struct model_nvme *m, unsigned queue, uint16_t cid, uint16_t status, uint32_t result)
{
	struct model_ring *q = &m->cq[queue];
	const struct nvme_cqe c = {.result = htole32(result),
		.sq_head = htole16((uint16_t)m->sq[queue].head),
		.sq_id = htole16((uint16_t)queue),
		.cid = htole16(cid),
		.status = htole16((uint16_t)(status << 1 | q->phase))};
	const uint64_t to = q->iova + (uint64_t)q->tail * sizeof(c);
	const size_t head = offsetof(struct nvme_cqe, end);

	/* A full queue, or one that is not mapped, is a fatal error of the host (§9.5). */
	if ((q->tail + 1) % q->entries == q->head || !write_host(m, to, &c, head)) {
		give_up(m);
		return;
	}
	/* Write the phase last: a host that sees it sees the rest. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	(void)write_host(m, to + head, &c.end, sizeof(c.end));
	q->tail = (q->tail + 1) % q->entries;
	if (!q->tail)
		q->phase ^= 1;
	if (q->irq)
		usher_model_msi(m->dev, q->vector);
}

static void carry_out(struct model_nvme *m, unsigned queue, const struct nvme_sqe *c)
{
	uint16_t cid = (uint16_t)(le32toh(c->cdw0) >> 16), status;
	enum usher_model_fault f = queue ? usher_model_meets(m->dev) : USHER_FAULT_NONE;
	uint32_t result = 0;

	m->commands++;
	switch (f) {
	case USHER_FAULT_TIMEOUT:
	case USHER_FAULT_VANISH:
		return;
	case USHER_FAULT_FATAL:
		give_up(m);
		return;
	case USHER_FAULT_STRAY:
		complete_command(m, queue, (uint16_t)~cid, NVME_OK, 0);
		return;
	case USHER_FAULT_STATUS:
		status = m->bad_status;
		break;
	case USHER_FAULT_NONE:
	case USHER_FAULT_SHORT:
	default:
		status = queue ? io_command(m, c, f == USHER_FAULT_SHORT)
			       : admin_command(m, c, &result);
		break;
	}
	complete_command(m, queue, cid, status, result);
}

static void work_rings(struct model_nvme *m, unsigned queue)
{
	struct model_ring *q = &m->sq[queue];

	while (q->entries && q->head != q->tail && m->csts == NVME_CSTS_RDY && !m->dev->gone) {
		struct nvme_sqe c;
		if (!read_host(m, q->iova + (uint64_t)q->head * sizeof(c), &c, sizeof(c))) {
			give_up(m);
			return;
		}
		q->head = (q->head + 1) % q->entries;
		carry_out(m, queue, &c);
	}
}

static void ring_bell(struct model_nvme *m, unsigned index, uint32_t value)
{
	struct model_ring *q = index & 1 ? &m->cq[index / 2] : &m->sq[index / 2];

	if (value >= q->entries) {
		if (q->entries)
			give_up(m);
		return;
	}
	if (index & 1)
		q->head = value;
	else
		q->tail = value;
}

/* Reads the doorbell buffer, and sets the event index: from here on the device sleeps. */
static void read_shadow(struct model_nvme *m, unsigned index)
{
	uint32_t value;

	if (!read_host(m, m->shadow + (uint64_t)index * 4, &value, sizeof(value)))
		return;
	ring_bell(m, index, le32toh(value));
	(void)write_host(m, m->event + (uint64_t)index * 4, &value, sizeof(value));
}

static uint8_t *mapped_bells(const struct model_nvme *m)
{
	uint8_t *bar = usher_model_bar(m->dev, 0);

	return bar ? bar + NVME_DOORBELLS : NULL;
}

void model_nvme_run(struct model_nvme *m)
{
	const uint8_t *mapped = mapped_bells(m);

	for (unsigned i = 0; i < 2 * MODEL_NVME_QUEUES; i++) {
		const struct model_ring *q = i & 1 ? &m->cq[i / 2] : &m->sq[i / 2];
		if (!q->entries)
			continue;
		if (mapped)
			ring_bell(m, i, le32_get(mapped + (size_t)i * 4));
		if (m->shadow && i >= 2)
			read_shadow(m, i);
	}
	for (unsigned i = 0; i < MODEL_NVME_QUEUES; i++)
		work_rings(m, i);
}

/* --- Registers ------------------------------------------------------------------------------- */

static void controller_stop(struct model_nvme *m)
{
	uint8_t *mapped = mapped_bells(m);

	memset(m->sq, 0, sizeof(m->sq));
	memset(m->cq, 0, sizeof(m->cq));
	m->shadow = m->event = 0;
	m->csts = 0;
	if (mapped)
		memset(mapped, 0, NVME_PAGE);
}

static void controller_start(struct model_nvme *m)
{
	if ((m->cc & ~NVME_CC_SHUTDOWN) != (NVME_CC_SIZES | NVME_CC_EN)) {
		give_up(m);
		return;
	}
	m->sq[0] = (struct model_ring){.iova = m->asq, .entries = (m->aqa & 0xfff) + 1};
	m->cq[0] = (struct model_ring){
		.iova = m->acq, .entries = (m->aqa >> 16 & 0xfff) + 1, .phase = 1};
	m->csts = NVME_CSTS_RDY;
}

static void write_cc(struct model_nvme *m, uint32_t value)
{
	uint32_t old = m->cc;

	m->cc = value;
	if (old & NVME_CC_EN && !(value & NVME_CC_EN))
		controller_stop(m);
	else if (!(old & NVME_CC_EN) && value & NVME_CC_EN)
		controller_start(m);
	if (value & NVME_CC_SHUTDOWN)
		m->csts = (m->csts & ~NVME_CSTS_SHST) | NVME_CSTS_SHST_DONE;
}

static uint64_t nvme_read_reg(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	const struct model_nvme *m = state;
	uint8_t regs[0x40] = {0};

	le64_put(regs + NVME_CAP, nvme_capabilities());
	le32_put(regs + NVME_VS, VERSION_14);
	le32_put(regs + NVME_CC, m->cc);
	le32_put(regs + NVME_CSTS, m->csts);
	le32_put(regs + NVME_AQA, m->aqa);
	le64_put(regs + NVME_ASQ, m->asq);
	le64_put(regs + NVME_ACQ, m->acq);
	return range_ok(off, size, sizeof(regs)) ? le_get(regs + off, size) : 0;
}

static void put_half(uint64_t *reg, uint64_t off, unsigned size, uint64_t value)
{
	uint8_t bytes[8];

	le64_put(bytes, *reg);
	le_put(bytes + (off & 7), size, value);
	*reg = le64_get(bytes);
}

static void nvme_write_reg(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	struct model_nvme *m = state;

	if (off >= NVME_DOORBELLS) {
		uint32_t index = (uint32_t)((off - NVME_DOORBELLS) / 4);
		m->bells++;
		if (size == 4 && index < 2 * MODEL_NVME_QUEUES) {
			ring_bell(m, index, (uint32_t)value);
			model_nvme_run(m);
		}
	} else if (off == NVME_CC) {
		write_cc(m, (uint32_t)value);
	} else if (off == NVME_AQA) {
		m->aqa = (uint32_t)value;
	} else if (off >= NVME_ASQ && off < NVME_ACQ) {
		put_half(&m->asq, off, size, value);
	} else if (off >= NVME_ACQ && off < NVME_ACQ + 8) {
		put_half(&m->acq, off, size, value);
	}
}

static void nvme_reset(struct usher_model_device *d, void *state)
{
	struct model_nvme *m = state;

	controller_stop(m);
	m->cc = m->aqa = 0;
	m->asq = m->acq = 0;
}

static int nvme_init(struct usher_model_device *d, const char *arguments, void **ret_state)
{
	uint64_t blocks = BLOCKS;
	size_t len;
	int r = model_argument_number(arguments, "blocks", 1, BLOCKS_MAX, &blocks);
	struct model_nvme *m = r < 0 ? NULL : calloc(1, sizeof(*m));

	if (!m)
		return r < 0 ? r : -ENOMEM;
	m->disk = calloc(blocks, MODEL_NVME_BLOCK);
	if (!m->disk) {
		free(m);
		return -ENOMEM;
	}
	m->dev = d;
	m->blocks = blocks;
	m->offers_shadow = model_argument(arguments, "shadow", &len) != NULL;
	m->bad_status = NVME_UNRECOVERED_READ;
	m->grants = MODEL_NVME_QUEUES - 1;
	*ret_state = m;
	return 0;
}

static void nvme_fini(struct usher_model_device *d, void *state)
{
	struct model_nvme *m = state;

	free(m->disk);
	free(m);
}

static const struct usher_model_ops ops = {
	.init = nvme_init,
	.fini = nvme_fini,
	.reset = nvme_reset,
	.read = nvme_read_reg,
	.write = nvme_write_reg,
};

#define SHAPE                                                                             \
	.vendor = 0x1b36, .device = 0x0010, .class_code = 0x010802, .bar_size = {0x4000}, \
	.intx = 1, .msix = VECTORS, .express = 1

const struct usher_model model_nvme = {.name = "nvme", .shape = {SHAPE}, .ops = &ops};

const struct usher_model model_nvme_mapped = {.name = "nvme-mapped",
	.shape = {SHAPE, .bar_memory = 1, .bar_memory_off = {NVME_DOORBELLS}},
	.ops = &ops};
