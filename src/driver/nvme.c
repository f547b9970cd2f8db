/* SPDX-License-Identifier: MIT */
#include "driver/nvme.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vfio/irq.h"

#define ADMIN_DEPTH 16
#define DEPTH 64
#define DEPTH_MAX 4096
#define TIMEOUT_MS 5000
#define EPOCH_MS 100
#define PAUSE_NS 200000
#define READY_STEP_MS 500 /* unit of CAP.TO */
#define BLOCK_SHIFT_MIN 9
#define LIST_PAGES (NVME_PAGE / 8) /* one page of PRP list, no chains of them */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Until (CSTS & @mask) == @value. */
static int wait_status(
	struct nvme *n, uint32_t mask, uint32_t value, const char *what, struct err *e)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int64_t end = now_ms() + n->ready_ms;

	for (;;) {
		uint32_t status = window_get32(&n->bar, NVME_CSTS);
		if (status == UINT32_MAX)
			return err_say(e, -ENODEV, "nvme: the controller is gone");
		if ((status & mask) == value)
			return 0;
		if (status & NVME_CSTS_CFS && value)
			return err_say(e, -EIO, "nvme: fatal error while it should %s", what);
		if (now_ms() > end)
			return err_say(e, -ETIMEDOUT, "nvme: the controller did not %s in %u ms",
				what, n->ready_ms);
		(void)nanosleep(&pause, NULL);
	}
}

static int disable(struct nvme *n, struct err *e)
{
	uint32_t cc = window_get32(&n->bar, NVME_CC);

	if (cc == UINT32_MAX)
		return err_say(e, -ENODEV, "nvme: the controller is gone");
	window_put32(&n->bar, NVME_CC, cc & ~NVME_CC_EN);
	return wait_status(n, NVME_CSTS_RDY, 0, "stop", e);
}

static int enable(struct nvme *n, struct err *e)
{
	nvme_queue_start(&n->admin, 0);
	window_put32(&n->bar, NVME_AQA, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1));
	window_put64(&n->bar, NVME_ASQ, n->admin.mem.iova);
	window_put64(&n->bar, NVME_ACQ, nvme_queue_cq_iova(&n->admin));
	window_put32(&n->bar, NVME_CC, NVME_CC_SIZES | NVME_CC_EN);
	return wait_status(n, NVME_CSTS_RDY, NVME_CSTS_RDY, "get ready", e);
}

int nvme_admin(struct nvme *n, const struct nvme_sqe *command, uint32_t *ret, struct err *e)
{
	struct nvme_queue *q = &n->admin;
	struct nvme_done done;
	const struct timespec pause = {.tv_nsec = PAUSE_NS / 10};
	char text[32];

	int r = nvme_submit(q, command, 0);
	nvme_ring(q);
	while (r == 0) {
		r = nvme_poll(q, &done, 1);
		if (r == 0)
			(void)nanosleep(&pause, NULL);
		if (r == 0 && q->until_look > 16) /* a sleep is worth many polls */
			q->until_look = 16;
	}
	if (r < 0)
		return err_set(e, r, "nvme: admin command %02x", le32toh(command->cdw0) & 0xff);
	if (done.status)
		return err_say(e, -EIO, "nvme: admin command %02x: %s",
			le32toh(command->cdw0) & 0xff, nvme_status_text(done.status, text));
	if (ret)
		*ret = done.result;
	return 0;
}

static int identify(struct nvme *n, uint32_t cns, uint32_t nsid, struct err *e)
{
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_IDENTIFY),
		.nsid = htole32(nsid),
		.prp1 = htole64(n->page.iova),
		.cdw10 = htole32(cns),
	};

	return nvme_admin(n, &c, NULL, e);
}

static void take_text(char *to, const uint8_t *from, size_t len)
{
	memcpy(to, from, len);
	while (len && (to[len - 1] == ' ' || !to[len - 1]))
		len--;
	to[len] = '\0';
}

static int learn_controller(struct nvme *n, struct err *e)
{
	const uint8_t *id = n->page.mem;

	int r = identify(n, NVME_CNS_CONTROLLER, 0, e);
	if (r < 0)
		return r;
	take_text(n->serial, id + NVME_ID_SERIAL, sizeof(n->serial) - 1);
	take_text(n->model, id + NVME_ID_MODEL, sizeof(n->model) - 1);
	/* Not aligned to a page, a transfer touches one more than its size says. */
	uint64_t pages = LIST_PAGES;
	if (id[NVME_ID_MDTS] && id[NVME_ID_MDTS] < 16)
		pages = min_u64(pages, BIT64(id[NVME_ID_MDTS]));
	n->max_blocks = (uint32_t)(pages * NVME_PAGE); /* bytes, until the block is known */
	if (!(le16_get(id + NVME_ID_OACS) & NVME_OACS_DOORBELL_BUFFER))
		n->options.no_shadow = true;
	return 0;
}

static int learn_namespace(struct nvme *n, struct err *e)
{
	const uint8_t *id = n->page.mem;

	int r = identify(n, NVME_CNS_NAMESPACE, n->options.nsid, e);
	if (r < 0)
		return r;
	uint64_t blocks = le64_get(id + NVME_NS_SIZE);
	unsigned format = id[NVME_NS_FLBAS] & 15;
	unsigned shift = id[NVME_NS_LBAF + 4 * format + 2];
	if (!blocks)
		return err_say(e, -ENODEV, "nvme: there is no namespace %u", n->options.nsid);
	if (shift < BLOCK_SHIFT_MIN || shift > 16)
		return err_say(e, -ENOTSUP, "nvme: blocks of 2^%u bytes", shift);
	n->blocks = blocks;
	n->block_shift = shift;
	n->max_blocks = (uint32_t)min_u64(n->max_blocks >> shift, min_u64(blocks, 65536));
	return 0;
}

/* Asks for as many queues as there shall be; the answer may be fewer. */
static int ask_queues(struct nvme *n, struct err *e)
{
	uint32_t want = n->options.queues - 1, got;
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_SET_FEATURES),
		.cdw10 = htole32(NVME_FEATURE_QUEUES),
		.cdw11 = htole32(want | want << 16),
	};

	int r = nvme_admin(n, &c, &got, e);
	if (r < 0)
		return r;
	n->queue_count =
		(unsigned)min_u64(min_u64((got & 0xffff) + 1, (got >> 16) + 1), n->options.queues);
	return 0;
}

static int use_shadow(struct nvme *n, struct err *e)
{
	if (n->options.no_shadow)
		return 0;
	if (!n->bells.mem) {
		int r = dma_buf_new(n->at, 2 * NVME_PAGE, UINT64_MAX, &n->bells, e);
		if (r < 0)
			return r;
	}
	memset(n->bells.mem, 0, n->bells.size);
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_DOORBELL_BUFFER),
		.prp1 = htole64(n->bells.iova),
		.prp2 = htole64(n->bells.iova + NVME_PAGE),
	};
	return nvme_admin(n, &c, NULL, e);
}

static void place_bell(struct nvme *n, struct nvme_bell *b, uint32_t off, bool shadowed)
{
	*b = (struct nvme_bell){.off = off, .at = window_at(&n->bar, off)};
	if (!shadowed || n->options.no_shadow)
		return;
	b->at = NULL;
	b->shadow = (void *)((uint8_t *)n->bells.mem + (off - NVME_DOORBELLS));
	b->event = (void *)((uint8_t *)n->bells.mem + NVME_PAGE + (off - NVME_DOORBELLS));
}

static void attach_queue(struct nvme *n, struct nvme_queue *q, unsigned number)
{
	q->bar = &n->bar;
	q->number = number;
	q->timeout_epochs = n->options.timeout_ms / EPOCH_MS + 1;
	q->blocks = n->blocks;
	q->block_shift = n->block_shift;
	q->may_blocks = n->max_blocks;
	place_bell(n, &q->sq_bell, NVME_SQ_BELL(number, n->stride), number != 0);
	place_bell(n, &q->cq_bell, NVME_CQ_BELL(number, n->stride), number != 0);
}

/* The controller's side of a queue pair; also after a reset. */
static int create(struct nvme *n, struct nvme_queue *q, struct err *e)
{
	uint32_t irq = n->options.interrupts ? NVME_QUEUE_IRQ | q->number << 16 : 0;
	const struct nvme_sqe cq = {
		.cdw0 = htole32(NVME_CREATE_CQ),
		.prp1 = htole64(nvme_queue_cq_iova(q)),
		.cdw10 = htole32(q->number | q->cq_mask << 16),
		.cdw11 = htole32(NVME_QUEUE_CONTIGUOUS | irq),
	};
	const struct nvme_sqe sq = {
		.cdw0 = htole32(NVME_CREATE_SQ),
		.prp1 = htole64(q->mem.iova),
		.cdw10 = htole32(q->number | q->mask << 16),
		.cdw11 = htole32(NVME_QUEUE_CONTIGUOUS | q->number << 16),
	};

	nvme_queue_start(q, n->options.nsid);
	int r = nvme_admin(n, &cq, NULL, e);
	return r < 0 ? r : nvme_admin(n, &sq, NULL, e);
}

static int irq_on(struct nvme *n, struct err *e)
{
	unsigned count = n->queue_count + 1;

	if (!n->options.interrupts)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		if (n->event_fds[i] < 0)
			n->event_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (n->event_fds[i] < 0)
			return err_set(e, -errno, "nvme: eventfd");
		if (i)
			n->queues[i - 1].event_fd = n->event_fds[i];
	}
	int r = vfio_irq_set(&n->at->dev, VFIO_PCI_MSIX_IRQ_INDEX, 0, n->event_fds, count);
	if (r > 0)
		return err_say(e, -ENOTSUP, "nvme: %u vectors for %u queues", (unsigned)r, count);
	return r < 0 ? err_set(e, r, "nvme: turn %u MSI-X vectors on", count) : 0;
}

static int make_queues(struct nvme *n, struct err *e)
{
	unsigned most = NVME_CAP_MQES(n->cap) + 1;
	unsigned depth = n->options.depth;
	int r = 0;

	while (depth > most)
		depth >>= 1;
	unsigned cq_depth = 2 * depth <= most ? 2 * depth : depth;
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++) {
		r = nvme_queue_new(&n->queues[i], n->at, depth, cq_depth, e);
		if (r == 0)
			attach_queue(n, &n->queues[i], i + 1);
	}
	if (r == 0)
		r = irq_on(n, e);
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++)
		r = create(n, &n->queues[i], e);
	return r;
}

static int take_options(struct nvme *n, const struct nvme_options *o, struct err *e)
{
	if (o)
		n->options = *o;
	n->options.queues += !n->options.queues;
	n->options.nsid += !n->options.nsid;
	n->options.depth += n->options.depth ? 0 : DEPTH;
	n->options.timeout_ms += n->options.timeout_ms ? 0 : TIMEOUT_MS;
	if (n->options.queues <= NVME_QUEUES_MAX && is_pow2(n->options.depth) &&
		n->options.depth > 1 && n->options.depth <= DEPTH_MAX)
		return 0;
	return err_say(
		e, -EINVAL, "nvme: %u queues of %u entries", n->options.queues, n->options.depth);
}

static int learn_registers(struct nvme *n, struct err *e)
{
	uint64_t class;
	int r = vfio_region_get(&n->at->dev, &n->at->config, PCI_CLASS_REVISION, 4, &class);

	if (r < 0)
		return err_set(e, r, "nvme: read the device's class");
	if (class >> 8 != 0x010802)
		return err_say(e, -ENODEV, "nvme: class %06x is no NVMe controller's",
			(unsigned)(class >> 8));
	r = window_open(n->at, VFIO_PCI_BAR0_REGION_INDEX, 2 * NVME_DOORBELLS, &n->bar, e);
	if (r < 0)
		return r;
	n->cap = window_get64(&n->bar, NVME_CAP);
	if (n->cap == UINT64_MAX)
		return err_say(e, -ENODEV, "nvme: the controller does not answer");
	if (NVME_CAP_MPSMIN(n->cap))
		return err_say(e, -ENOTSUP, "nvme: the controller has no pages of 4 KiB");
	n->stride = NVME_CAP_DSTRD(n->cap);
	n->ready_ms = (NVME_CAP_TO(n->cap) + 1) * READY_STEP_MS;
	uint32_t last = NVME_CQ_BELL(n->options.queues, n->stride);
	if (!range_ok(last, 4, n->bar.region.size) || last >= NVME_DOORBELLS + NVME_PAGE)
		return err_say(e, -ENOTSUP, "nvme: doorbells of %u queues", n->options.queues);
	return 0;
}

int nvme_open(
	struct attachment *a, const struct nvme_options *options, struct nvme *ret, struct err *e)
{
	struct nvme *n = ret;

	*n = (struct nvme){.at = a};
	for (size_t i = 0; i < COUNT(n->event_fds); i++)
		n->event_fds[i] = -1;
	int r = take_options(n, options, e);
	if (r == 0)
		r = learn_registers(n, e);
	if (r == 0)
		r = disable(n, e);
	if (r == 0)
		r = dma_buf_new(a, NVME_PAGE, UINT64_MAX, &n->page, e);
	if (r == 0)
		r = nvme_queue_new(&n->admin, a, ADMIN_DEPTH, ADMIN_DEPTH, e);
	if (r == 0)
		r = attach_master(a, true, e);
	if (r < 0)
		return r;
	attach_queue(n, &n->admin, 0);
	r = enable(n, e);
	if (r == 0)
		r = learn_controller(n, e);
	if (r == 0)
		r = learn_namespace(n, e);
	if (r == 0)
		r = ask_queues(n, e);
	if (r == 0)
		r = use_shadow(n, e);
	return r == 0 ? make_queues(n, e) : r;
}

/* Only a stopped controller is past reaching the queues. */
static void stop(struct nvme *n)
{
	uint32_t cc = window_get32(&n->bar, NVME_CC);

	if (cc != UINT32_MAX && cc & NVME_CC_EN) {
		window_put32(&n->bar, NVME_CC, cc | NVME_CC_SHUTDOWN);
		(void)wait_status(n, NVME_CSTS_SHST, NVME_CSTS_SHST_DONE, "shut down", NULL);
		(void)disable(n, NULL);
	}
	(void)attach_master(n->at, false, NULL);
}

void nvme_close(struct nvme *n)
{
	if (!n->at)
		return;
	if (n->bar.region.size)
		stop(n);
	if (n->options.interrupts && n->queue_count)
		(void)vfio_irq_disable(&n->at->dev, VFIO_PCI_MSIX_IRQ_INDEX);
	for (unsigned i = 0; i < n->queue_count; i++)
		(void)nvme_queue_free(&n->queues[i], n->at);
	(void)nvme_queue_free(&n->admin, n->at);
	(void)dma_buf_free(n->at, &n->bells, NULL);
	(void)dma_buf_free(n->at, &n->page, NULL);
	for (size_t i = 0; i < COUNT(n->event_fds); i++)
		fd_close(&n->event_fds[i]);
	window_close(&n->bar);
	*n = (struct nvme){0};
}

/* Its own reset first; a controller that does not obey gets the function's. */
static int silence(struct nvme *n, struct err *e)
{
	int r = disable(n, e);

	if (r == 0 || r == -ENODEV)
		return r;
	if (n->options.interrupts)
		(void)vfio_irq_disable(&n->at->dev, VFIO_PCI_MSIX_IRQ_INDEX);
	r = vfio_dev_reset(&n->at->dev, e);
	if (r == 0)
		r = attach_master(n->at, true, e);
	if (r == 0)
		r = irq_on(n, e);
	return r == 0 ? disable(n, e) : r;
}

int nvme_recover(struct nvme *n, struct err *e)
{
	int r = silence(n, e);

	if (r < 0)
		return r;
	/* Nobody waits for an admin command any more. */
	for (uint32_t i = 0; i <= n->admin.mask; i++)
		n->admin.slots[i].epoch = 0;
	r = enable(n, e);
	if (r == 0)
		r = ask_queues(n, e);
	if (r == 0)
		r = use_shadow(n, e);
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++)
		r = create(n, &n->queues[i], e);
	return r;
}
