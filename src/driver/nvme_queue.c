/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/num.h"
#include "base/usher_err.h"
#include "driver/nvme_path.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EPOCH_MS 100
#define POLLS_A_LOOK 256
#define LIST_ENTRIES (NVME_PAGE / sizeof(uint64_t))
#define NO_PHASE 2 /* no completion has it */

/*
 * With a doorbell buffer the device reads the new value from memory. The register must be written
 * only if the new value passes the one at which the device went to sleep. Ref: NVMe 1.4 §B.5.
 */
static void bell_shadow(struct nvme_queue *q, struct nvme_bell *b, uint32_t value)
{
	uint16_t old = (uint16_t)le32toh(*b->shadow), new = (uint16_t)value;

	__atomic_thread_fence(__ATOMIC_RELEASE);
	*b->shadow = htole32(value);
	/*
	 * The device writes the event index and then reads the shadow; the driver the other way
	 * round.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint16_t event = (uint16_t)le32toh(*b->event);
	if ((uint16_t)(new - event - 1) < (uint16_t)(new - old))
		(void)usher_write32(q->doorbells, b->off, value);
}

void nvme_bell_slow(struct nvme_queue *q, struct nvme_bell *b, uint32_t value)
{
	if (b->shadow) {
		bell_shadow(q, b, value);
		return;
	}
	(void)usher_write32(q->doorbells, b->off, value);
}

/* Slow path: says why a command is not accepted. */
int nvme_refusal(const struct nvme_queue *q)
{
	if (q->state == NVME_QUEUE_BROKEN)
		return q->error;
	if (q->state == NVME_QUEUE_CLOSED)
		return -ESHUTDOWN;
	if (q->state == NVME_QUEUE_ABORTS || q->slots[(q->tail + 1) & q->mask].epoch)
		return -EAGAIN;
	return -ERANGE;
}

unsigned nvme_inflight(const struct nvme_queue *q)
{
	unsigned n = 0;

	for (uint32_t i = 0; q->slots && i <= q->mask; i++)
		n += q->slots[i].epoch != 0;
	return n;
}

/* Writes the PRP list of @slot, @count pages from @page on, if it differs. */
static uint64_t list_of(struct nvme_queue *q, uint32_t slot, uint64_t page, uint32_t count)
{
	struct nvme_slot *s = &q->slots[slot];
	uint64_t *list = q->lists + (size_t)slot * LIST_ENTRIES;

	if (q->list_pages[slot] != page || s->list_count < count) {
		for (uint32_t i = 0; i < count; i++)
			list[i] = htole64(page + (uint64_t)i * NVME_PAGE);
		q->list_pages[slot] = page;
		s->list_count = count;
	}
	return q->lists_iova + (uint64_t)slot * NVME_PAGE;
}

uint64_t nvme_second_prp(struct nvme_queue *q, uint64_t iova, uint64_t len)
{
	uint64_t first = NVME_PAGE - (iova & (NVME_PAGE - 1));
	uint64_t page = iova + first, rest = len - first;

	if (rest <= NVME_PAGE)
		return page;
	return list_of(q, q->tail, page, (uint32_t)((rest + NVME_PAGE - 1) / NVME_PAGE));
}

int nvme_submit(struct nvme_queue *q, const struct nvme_sqe *command, uint64_t tag)
{
	uint32_t next = (q->tail + 1) & q->mask;
	struct nvme_sqe *c = &q->sq[q->tail];

	if (q->state != NVME_QUEUE_RUNS || q->slots[next].epoch)
		return nvme_refusal(q);
	*c = *command;
	c->cdw0 = htole32((le32toh(c->cdw0) & 0xffff) | q->tail << 16);
	q->slots[q->tail].tag = tag;
	q->slots[q->tail].epoch = q->epoch;
	q->tail = next;
	return 0;
}

int nvme_flush(struct nvme_queue *q, uint64_t tag)
{
	const struct nvme_sqe c = {.cdw0 = htole32(NVME_FLUSH), .nsid = q->sq[q->tail].nsid};

	return nvme_submit(q, &c, tag);
}

static int queue_broken(struct nvme_queue *q, int error)
{
	q->state = NVME_QUEUE_BROKEN;
	q->error = error;
	q->max_blocks = 0;
	q->phase = NO_PHASE;
	return error;
}

/*
 * Is the controller gone? Not every host bridge answers all ones for a missing device, so check
 * configuration space, too.
 */
static int status_verdict(const struct nvme_queue *q, int error)
{
	return usher_window_ones(q->registers) < 0 ? -ENODEV : error;
}

/* Called once in a while: does the controller live, and is a command overdue? */
int nvme_look(struct nvme_queue *q)
{
	int64_t now = clock_ms();

	q->until_look = POLLS_A_LOOK;
	if (now - q->epoch_ms < EPOCH_MS)
		return 0;
	q->epoch_ms = now;
	q->epoch += q->epoch == UINT32_MAX ? 2 : 1; /* 0 means a free slot */
	uint32_t status;
	if (usher_read32(q->registers, NVME_CSTS, &status) < 0 || status == UINT32_MAX)
		return queue_broken(q, -ENODEV);
	if ((status & (NVME_CSTS_CFS | NVME_CSTS_RDY)) != NVME_CSTS_RDY)
		return queue_broken(q, status_verdict(q, -EIO));
	for (uint32_t i = 0; i <= q->mask; i++)
		if (q->slots[i].epoch && q->epoch - q->slots[i].epoch > q->timeout_epochs)
			return queue_broken(q, status_verdict(q, -ETIMEDOUT));
	return 0;
}

static void controller_runs(struct nvme_queue *q)
{
	q->state = NVME_QUEUE_RUNS;
	q->max_blocks = q->may_blocks;
	q->phase = NVME_PHASE;
}

/* After a reset: the device will not complete the commands in flight. */
static int poll_aborted(struct nvme_queue *q, struct nvme_done *done, unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i <= q->mask && n < max; i++) {
		struct nvme_slot *s = &q->slots[i];
		if (!s->epoch)
			continue;
		done[n++] = (struct nvme_done){.tag = s->tag, .status = NVME_HOST_ABORTED};
		s->epoch = 0;
	}
	if (!nvme_inflight(q))
		controller_runs(q);
	return (int)n;
}

int nvme_poll_slow(struct nvme_queue *q, struct nvme_done *done, unsigned max)
{
	switch (q->state) {
	case NVME_QUEUE_BROKEN:
		return q->error;
	case NVME_QUEUE_ABORTS:
		return poll_aborted(q, done, max);
	case NVME_QUEUE_CLOSED:
	case NVME_QUEUE_RUNS:
		break;
	}
	return -ESHUTDOWN;
}

void nvme_tell_head(struct nvme_queue *q)
{
	q->unread = 0;
	nvme_bell(q, &q->cq_bell, (uint32_t)(q->next - q->cq));
}

void nvme_stray(struct nvme_queue *q)
{
	(void)queue_broken(q, -EPROTO);
}

int nvme_wait(struct nvme_queue *q, int timeout_ms)
{
	struct pollfd p = {.fd = q->event_fd, .events = POLLIN};
	uint64_t count;

	if (q->event_fd < 0 || q->state != NVME_QUEUE_RUNS)
		return 0;
	/* The controller need not signal again before it knows that the last entries were read. */
	if (q->unread)
		nvme_tell_head(q);
	q->until_look = 1; /* a sleep is long enough to read the clock */
	if ((le32toh(__atomic_load_n(&q->next->end, __ATOMIC_ACQUIRE)) & NVME_PHASE) == q->phase)
		return 0;
	if (poll(&p, 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	return read(q->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int drain_error(int r, struct usher_err *e)
{
	switch (r) {
	case -ENODEV:
		return err_say(err_from_usher(e), r, "nvme: the controller is gone");
	case -EIO:
		return err_say(err_from_usher(e), r,
			"nvme: the controller reports a fatal error, or has stopped");
	case -ETIMEDOUT:
		return err_say(err_from_usher(e), r, "nvme: a command was not answered in time");
	case -EPROTO:
		return err_say(err_from_usher(e), r,
			"nvme: the controller completed a command that was not sent");
	default:
		return err_set(err_from_usher(e), r, "nvme: wait for commands");
	}
}

int nvme_drain(struct nvme_queue *q, struct usher_err *e)
{
	struct nvme_done done[16] = {0};
	char text[32];
	int bad = 0;

	nvme_ring(q);
	while (nvme_inflight(q)) {
		int n = nvme_poll(q, done, COUNT(done));
		if (n < 0)
			return drain_error(n, e);
		for (int i = 0; i < n; i++)
			if (done[i].status && !bad)
				bad = err_say(err_from_usher(e), -EIO,
					"nvme: command %" PRIu64 ": %s", done[i].tag,
					nvme_status_text(done[i].status, text));
		if (!n)
			n = nvme_wait(q, EPOCH_MS);
		if (n < 0)
			return drain_error(n, e);
	}
	return bad;
}

const char *nvme_status_text(uint32_t status, char buf[32])
{
	static const struct {
		uint16_t status;
		const char *text;
	} texts[] = {
		{NVME_OK, "successful"},
		{NVME_INVALID_OPCODE, "invalid command opcode"},
		{NVME_INVALID_FIELD, "invalid field in command"},
		{NVME_DATA_TRANSFER_ERROR, "data transfer error"},
		{NVME_INVALID_NAMESPACE, "invalid namespace"},
		{NVME_LBA_OUT_OF_RANGE, "LBA out of range"},
		{NVME_INVALID_QUEUE, "invalid queue identifier"},
		{NVME_UNRECOVERED_READ, "unrecovered read error"},
		{NVME_HOST_ABORTED, "aborted by a reset"},
	};

	status &= NVME_STATUS_MASK;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	(void)snprintf(buf, 32, "status %x/%02x", status >> 8 & 7, status & 0xff);
	return buf;
}

/* One buffer: submission ring, completion ring, a page for the PRP list of each slot. */
static uint64_t cq_offset(unsigned depth)
{
	return align_up(depth * sizeof(struct nvme_sqe), NVME_PAGE);
}

int nvme_queue_new(struct nvme_queue *q, struct usher_space *s, unsigned depth, struct usher_err *e)
{
	const unsigned cq_depth = 2 * depth;
	uint64_t lists = cq_offset(depth) + align_up(cq_depth * sizeof(struct nvme_cqe), NVME_PAGE);

	*q = (struct nvme_queue){.event_fd = -1,
		.mem = USHER_BUFFER_NONE,
		.mask = depth - 1,
		.cq_mask = cq_depth - 1};
	/* One allocation: the slots, then the address that each list starts with. */
	q->slots = calloc(depth, sizeof(*q->slots) + sizeof(*q->list_pages));
	if (!q->slots)
		return err_set(err_from_usher(e), -ENOMEM, "nvme: a queue");
	int r = usher_buffer_alloc(s, lists + (uint64_t)depth * NVME_PAGE, 0, &q->mem, e);
	if (r < 0) {
		free(q->slots);
		q->slots = NULL;
		return r;
	}
	q->list_pages = (void *)(q->slots + depth);
	uint8_t *mem = q->mem.host;
	q->sq = (void *)mem;
	q->cq = (const void *)(mem + cq_offset(depth));
	q->cq_end = q->cq + cq_depth;
	q->lists = (void *)(mem + lists);
	q->lists_iova = q->mem.iova.v + lists;
	return 0;
}

uint64_t nvme_queue_cq_iova(const struct nvme_queue *q)
{
	return q->mem.iova.v + cq_offset(q->mask + 1);
}

void nvme_queue_start(struct nvme_queue *q, uint32_t nsid)
{
	uint8_t *mem = q->mem.host;

	memset(mem, 0, (size_t)((uint8_t *)q->lists - mem));
	for (uint32_t i = 0; i <= q->mask; i++) {
		q->sq[i].nsid = htole32(nsid);
		q->sq[i].cdw0 = htole32(i << 16);
	}
	q->next = q->cq;
	q->tail = q->rung = q->unread = 0;
	q->until_look = POLLS_A_LOOK;
	q->epoch_ms = clock_ms();
	q->epoch += !q->epoch;
	controller_runs(q);
	if (!nvme_inflight(q))
		return;
	/* Old identifiers stay in use until nvme_poll() has returned them. */
	q->state = NVME_QUEUE_ABORTS;
	q->max_blocks = 0;
	q->phase = NO_PHASE;
}

void nvme_queue_free(struct nvme_queue *q)
{
	usher_buffer_free(&q->mem);
	free(q->slots);
	*q = (struct nvme_queue){.event_fd = -1, .mem = USHER_BUFFER_NONE};
}
