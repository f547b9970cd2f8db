/* SPDX-License-Identifier: MIT */
#include "driver/nvme.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/num.h"
#include "base/usher_err.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <usher/irq.h>

#define ADMIN_DEPTH 16
#define DEPTH 64
#define DEPTH_MAX 4096
#define TIMEOUT_MS 5000
#define EPOCH_MS 100
#define PAUSE_NS 200000
#define READY_STEP_MS 500 /* unit of CAP.TO */
#define BLOCK_SHIFT_MIN 9
#define CLASS 0x010802u
#define LIST_PAGES (NVME_PAGE / 8) /* a PRP list has one page and is not chained */

static int controller_gone(struct usher_err *e)
{
	return err_say(err_from_usher(e), -ENODEV, "nvme: the controller is gone");
}

static int register_get(struct nvme *n, uint64_t reg, uint32_t *ret, struct usher_err *e)
{
	return usher_read32(&n->registers, reg, ret) < 0 || *ret == UINT32_MAX ? controller_gone(e)
									       : 0;
}

/* A read after the write shows whether the controller is gone. */
static void register_put(struct nvme *n, uint64_t reg, uint32_t value)
{
	(void)usher_write32(&n->registers, reg, value);
}

/* Waits until (CSTS & @mask) == @value. */
static int wait_status(
	struct nvme *n, uint32_t mask, uint32_t value, const char *what, struct usher_err *e)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int64_t end = clock_ms() + n->ready_ms;
	uint32_t status = 0;

	for (;;) {
		int r = register_get(n, NVME_CSTS, &status, e);
		if (r < 0 || (status & mask) == value)
			return r;
		if (status & NVME_CSTS_CFS && value)
			return err_say(err_from_usher(e), -EIO,
				"nvme: fatal error while it should %s", what);
		if (clock_ms() > end && usher_window_ones(&n->registers) < 0)
			return controller_gone(e);
		if (clock_ms() > end)
			return err_say(err_from_usher(e), -ETIMEDOUT,
				"nvme: the controller did not %s in %u ms", what, n->ready_ms);
		(void)nanosleep(&pause, NULL);
	}
}

static int controller_disable(struct nvme *n, struct usher_err *e)
{
	uint32_t cc = 0;
	int r = register_get(n, NVME_CC, &cc, e);

	if (r < 0)
		return r;
	register_put(n, NVME_CC, cc & ~NVME_CC_EN);
	return wait_status(n, NVME_CSTS_RDY, 0, "stop", e);
}

static int controller_enable(struct nvme *n, struct usher_err *e)
{
	nvme_queue_start(&n->admin, 0);
	register_put(n, NVME_AQA, n->admin.cq_mask << 16 | n->admin.mask);
	(void)usher_write64(&n->registers, NVME_ASQ, n->admin.mem.iova.v);
	(void)usher_write64(&n->registers, NVME_ACQ, nvme_queue_cq_iova(&n->admin));
	register_put(n, NVME_CC, NVME_CC_SIZES | NVME_CC_EN);
	return wait_status(n, NVME_CSTS_RDY, NVME_CSTS_RDY, "get ready", e);
}

int nvme_admin(struct nvme *n, const struct nvme_sqe *command, uint32_t *ret, struct usher_err *e)
{
	struct nvme_queue *q = &n->admin;
	struct nvme_done done = {0};
	const struct timespec pause = {.tv_nsec = PAUSE_NS / 10};
	char text[32];

	int r = nvme_submit(q, command, 0);
	nvme_ring(q);
	while (r == 0) {
		r = nvme_poll(q, &done, 1);
		if (r == 0)
			(void)nanosleep(&pause, NULL);
		if (r == 0 && q->until_look > 16) /* a sleep counts as many polls */
			q->until_look = 16;
	}
	if (r < 0)
		return err_set(err_from_usher(e), r, "nvme: admin command %02x",
			le32toh(command->cdw0) & 0xff);
	if (done.status)
		return err_say(err_from_usher(e), -EIO, "nvme: admin command %02x: %s",
			le32toh(command->cdw0) & 0xff, nvme_status_text(done.status, text));
	if (ret)
		*ret = done.result;
	return 0;
}

static int controller_identify(struct nvme *n, uint32_t cns, uint32_t nsid, struct usher_err *e)
{
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_IDENTIFY),
		.nsid = htole32(nsid),
		.prp1 = htole64(n->page.iova.v),
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

static int learn_controller(struct nvme *n, struct usher_err *e)
{
	const uint8_t *id = n->page.host;

	int r = controller_identify(n, NVME_CNS_CONTROLLER, 0, e);
	if (r < 0)
		return r;
	take_text(n->serial, id + NVME_ID_SERIAL, sizeof(n->serial) - 1);
	take_text(n->model, id + NVME_ID_MODEL, sizeof(n->model) - 1);
	/* A transfer that does not begin at a page touches one page more. */
	uint64_t pages = LIST_PAGES;
	if (id[NVME_ID_MDTS] && id[NVME_ID_MDTS] < 16)
		pages = min_u64(pages, BIT64(id[NVME_ID_MDTS]));
	n->max_blocks = (uint32_t)(pages * NVME_PAGE); /* [bytes] until the block size is known */
	if (!(le16_get(id + NVME_ID_OACS) & NVME_OACS_DOORBELL_BUFFER))
		n->options.no_shadow = true;
	return 0;
}

static int learn_namespace(struct nvme *n, struct usher_err *e)
{
	const uint8_t *id = n->page.host;

	int r = controller_identify(n, NVME_CNS_NAMESPACE, n->options.nsid, e);
	if (r < 0)
		return r;
	uint64_t blocks = le64_get(id + NVME_NS_SIZE);
	unsigned format = id[NVME_NS_FLBAS] & 15;
	unsigned shift = id[NVME_NS_LBAF + 4 * format + 2];
	if (!blocks)
		return err_say(err_from_usher(e), -ENODEV, "nvme: there is no namespace %u",
			n->options.nsid);
	if (shift < BLOCK_SHIFT_MIN || shift > 16)
		return err_say(err_from_usher(e), -ENOTSUP, "nvme: blocks of 2^%u bytes", shift);
	n->blocks = blocks;
	n->block_shift = shift;
	n->max_blocks = (uint32_t)min_u64(n->max_blocks >> shift, min_u64(blocks, 65536));
	return 0;
}

/*
 * Requests the queues; the controller may grant fewer. After a reset it has to grant as many as
 * before: those are made, and no others.
 */
static int ask_queues(struct nvme *n, struct usher_err *e)
{
	uint32_t want = n->options.queues - 1, got = 0;
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_SET_FEATURES),
		.cdw10 = htole32(NVME_FEATURE_QUEUES),
		.cdw11 = htole32(want | want << 16),
	};

	int r = nvme_admin(n, &c, &got, e);
	if (r < 0)
		return r;
	unsigned granted =
		(unsigned)min_u64(min_u64((got & 0xffff) + 1, (got >> 16) + 1), n->options.queues);
	if (!n->queue_count)
		n->queue_count = granted;
	if (granted < n->queue_count)
		return err_say(err_from_usher(e), -EIO,
			"nvme: after its reset the controller grants %u of %u queues", granted,
			n->queue_count);
	return 0;
}

static int use_shadow(struct nvme *n, struct usher_err *e)
{
	if (n->options.no_shadow)
		return 0;
	if (!n->bells.host) {
		int r = usher_buffer_alloc(
			usher_device_space(n->dev), UINT64_C(2) * NVME_PAGE, 0, &n->bells, e);
		if (r < 0)
			return r;
	}
	memset(n->bells.host, 0, n->bells.size);
	const struct nvme_sqe c = {
		.cdw0 = htole32(NVME_DOORBELL_BUFFER),
		.prp1 = htole64(n->bells.iova.v),
		.prp2 = htole64(n->bells.iova.v + NVME_PAGE),
	};
	return nvme_admin(n, &c, NULL, e);
}

static void place_bell(struct nvme *n, struct nvme_bell *b, uint32_t off, bool shadowed)
{
	const struct usher_window *w = &n->doorbells;
	uint8_t *shadow = n->bells.host;

	off -= NVME_DOORBELLS;
	*b = (struct nvme_bell){.off = off};
	if (shadowed && !n->options.no_shadow) {
		b->shadow = (void *)(shadow + off);
		b->event = (void *)(shadow + NVME_PAGE + off);
	} else if (w->base) {
		b->at = (volatile uint32_t *)(volatile void *)(w->base + off);
	}
}

static void attach_queue(struct nvme *n, struct nvme_queue *q, unsigned number)
{
	q->registers = &n->registers;
	q->doorbells = &n->doorbells;
	q->number = number;
	q->timeout_epochs = n->options.timeout_ms / EPOCH_MS + 1;
	q->blocks = n->blocks;
	q->block_shift = n->block_shift;
	q->may_blocks = n->max_blocks;
	place_bell(n, &q->sq_bell, NVME_SQ_BELL(number, n->stride), number != 0);
	place_bell(n, &q->cq_bell, NVME_CQ_BELL(number, n->stride), number != 0);
}

/* Creates a queue pair in the controller, also after a reset. */
static int queue_create(struct nvme *n, struct nvme_queue *q, struct usher_err *e)
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
		.prp1 = htole64(q->mem.iova.v),
		.cdw10 = htole32(q->number | q->mask << 16),
		.cdw11 = htole32(NVME_QUEUE_CONTIGUOUS | q->number << 16),
	};

	nvme_queue_start(q, n->options.nsid);
	int r = nvme_admin(n, &cq, NULL, e);
	return r < 0 ? r : nvme_admin(n, &sq, NULL, e);
}

/* Vector 0 belongs to the admin queue, which polls. */
static int irq_on(struct nvme *n, struct usher_err *e)
{
	if (!n->options.interrupts)
		return 0;
	int r = usher_irq_on(n->dev, USHER_MSIX, n->queue_count + 1, e);
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++)
		n->queues[i].event_fd = usher_irq_fd(n->dev, USHER_MSIX, i + 1);
	return r;
}

static int make_queues(struct nvme *n, struct usher_err *e)
{
	unsigned most = NVME_CAP_MQES(n->cap) + 1;
	unsigned depth = n->options.depth;
	int r = 0;

	/* A completion ring has twice as many slots as commands can be in flight. */
	while (2 * depth > most)
		depth >>= 1;
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++) {
		r = nvme_queue_new(&n->queues[i], usher_device_space(n->dev), depth, e);
		if (r == 0)
			attach_queue(n, &n->queues[i], i + 1);
	}
	if (r == 0)
		r = irq_on(n, e);
	for (unsigned i = 0; r == 0 && i < n->queue_count; i++)
		r = queue_create(n, &n->queues[i], e);
	return r;
}

static int take_options(struct nvme *n, const struct nvme_options *o, struct usher_err *e)
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
	return err_say(err_from_usher(e), -EINVAL, "nvme: %u queues of %u entries",
		n->options.queues, n->options.depth);
}

static int open_windows(struct nvme *n, struct usher_err *e)
{
	struct usher_window *w = &n->registers;
	int r = usher_window_open(n->dev, USHER_BAR(0), 0, NVME_DOORBELLS, USHER_UNCACHED, w, e);

	if (r == 0)
		r = usher_window_open(n->dev, USHER_BAR(0), NVME_DOORBELLS, NVME_PAGE,
			USHER_UNCACHED, &n->doorbells, e);
	/* Not every controller accepts accesses of 8 bytes. */
	w->split = USHER_LOW_FIRST;
	return r;
}

static int learn_registers(struct nvme *n, struct usher_err *e)
{
	if (usher_read64(&n->registers, NVME_CAP, &n->cap) < 0)
		return err_say(err_from_usher(e), -ENODEV, "nvme: the controller does not answer");
	if (NVME_CAP_MPSMIN(n->cap))
		return err_say(
			err_from_usher(e), -ENOTSUP, "nvme: the controller has no pages of 4 KiB");
	if (NVME_CAP_MQES(n->cap) < 3)
		return err_say(err_from_usher(e), -ENOTSUP, "nvme: queues of %u entries",
			(unsigned)NVME_CAP_MQES(n->cap) + 1);
	n->stride = NVME_CAP_DSTRD(n->cap);
	n->ready_ms = (NVME_CAP_TO(n->cap) + 1) * READY_STEP_MS;
	if (NVME_CQ_BELL(n->options.queues, n->stride) >= NVME_DOORBELLS + NVME_PAGE)
		return err_say(err_from_usher(e), -ENOTSUP, "nvme: doorbells of %u queues",
			n->options.queues);
	return 0;
}

static int check_class(const struct usher_device *dev, struct usher_err *e)
{
	uint32_t class = usher_device_query(dev)->class_code;

	if (class == CLASS)
		return 0;
	return err_say(err_from_usher(e), -ENODEV,
		"nvme: class %06x is not that of an NVMe controller", class);
}

/* The number of queues, and how their doorbells are written; also after a reset. */
static int request_queues(struct nvme *n, struct usher_err *e)
{
	int r = ask_queues(n, e);

	return r < 0 ? r : use_shadow(n, e);
}

static int start_up(struct nvme *n, struct usher_err *e)
{
	attach_queue(n, &n->admin, 0);
	int r = controller_enable(n, e);
	if (r < 0)
		return r;
	r = learn_controller(n, e);
	if (r < 0)
		return r;
	r = learn_namespace(n, e);
	if (r < 0)
		return r;
	r = request_queues(n, e);
	return r < 0 ? r : make_queues(n, e);
}

static int open_controller(struct nvme *n, struct usher_err *e)
{
	int r = open_windows(n, e);

	if (r < 0)
		return r;
	r = learn_registers(n, e);
	return r < 0 ? r : controller_disable(n, e);
}

static int make_admin_queue(struct nvme *n, struct usher_err *e)
{
	struct usher_space *s = usher_device_space(n->dev);
	int r = usher_buffer_alloc(s, NVME_PAGE, 0, &n->page, e);

	return r < 0 ? r : nvme_queue_new(&n->admin, s, ADMIN_DEPTH, e);
}

int nvme_open(struct usher_device *dev, const struct nvme_options *options, struct nvme *ret,
	struct usher_err *e)
{
	struct nvme *n = ret;

	*n = (struct nvme){.dev = dev, .page = USHER_BUFFER_NONE, .bells = USHER_BUFFER_NONE};
	int r = take_options(n, options, e);
	if (r < 0)
		return r;
	r = check_class(dev, e);
	if (r < 0)
		return r;
	r = open_controller(n, e);
	if (r < 0)
		return r;
	r = make_admin_queue(n, e);
	if (r < 0)
		return r;
	r = usher_device_master_on(dev, e);
	return r < 0 ? r : start_up(n, e);
}

/* Only a stopped controller cannot access the queues any more. */
static void controller_stop(struct nvme *n)
{
	uint32_t cc = 0;

	if (register_get(n, NVME_CC, &cc, NULL) == 0 && cc & NVME_CC_EN) {
		register_put(n, NVME_CC, cc | NVME_CC_SHUTDOWN);
		(void)wait_status(n, NVME_CSTS_SHST, NVME_CSTS_SHST_DONE, "shut down", NULL);
		(void)controller_disable(n, NULL);
	}
	(void)usher_device_master_off(n->dev, NULL);
}

void nvme_close(struct nvme *n)
{
	if (!n->dev)
		return;
	if (n->registers.device)
		controller_stop(n);
	(void)usher_irq_off(n->dev, USHER_MSIX, NULL);
	for (unsigned i = 0; i < n->queue_count; i++)
		nvme_queue_free(&n->queues[i]);
	nvme_queue_free(&n->admin);
	usher_buffer_free(&n->bells);
	usher_buffer_free(&n->page);
	usher_window_close(&n->doorbells);
	usher_window_close(&n->registers);
	*n = (struct nvme){.dev = NULL};
}

/* Tries the controller's own reset first, then that of the function. */
static int controller_silence(struct nvme *n, struct usher_err *e)
{
	int r = controller_disable(n, e);

	if (r == 0 || r == -ENODEV)
		return r;
	r = usher_device_reset(n->dev, e);
	if (r < 0)
		return r;
	r = usher_device_master_on(n->dev, e);
	if (r < 0)
		return r;
	r = irq_on(n, e);
	return r < 0 ? r : controller_disable(n, e);
}

int nvme_recover(struct nvme *n, struct usher_err *e)
{
	int r = controller_silence(n, e);

	if (r < 0)
		return r;
	/* No caller waits for an admin command any more. */
	for (uint32_t i = 0; i <= n->admin.mask; i++)
		n->admin.slots[i].epoch = 0;
	r = controller_enable(n, e);
	if (r < 0)
		return r;
	r = request_queues(n, e);
	for (unsigned i = 0; r >= 0 && i < n->queue_count; i++)
		r = queue_create(n, &n->queues[i], e);
	return r;
}
