/* SPDX-License-Identifier: MIT */
#include "driver/nvme_queue.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"

#define EPOCH_MS 100
#define POLLS_A_LOOK 256
#define LIST_ENTRIES (NVME_PAGE / sizeof(uint64_t))
#define unlikely(x) __builtin_expect(!!(x), 0)

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/*
 * With a doorbell buffer the device reads the new value from memory, and wants the register written
 * only when it went to sleep at a value that this one passes. Ref: NVMe 1.4 §B.5.
 */
static void bell_shadow(struct nvme_queue *q, struct nvme_bell *b, uint32_t value)
{
	uint16_t old = (uint16_t)le32toh(*b->shadow), new = (uint16_t)value;

	__atomic_thread_fence(__ATOMIC_RELEASE);
	*b->shadow = htole32(value);
	/* The device writes the event index, then reads the shadow; we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint16_t event = (uint16_t)le32toh(*b->event);
	if ((uint16_t)(new - event - 1) < (uint16_t)(new - old))
		window_put32(q->bar, b->off, value);
}

static inline void bell_ring(struct nvme_queue *q, struct nvme_bell *b, uint32_t value)
{
	if (b->shadow) {
		bell_shadow(q, b, value);
		return;
	}
	/* The entries are in memory before the device is told of them. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
#if defined(__aarch64__)
	__asm__ volatile("dmb oshst" ::: "memory");
#endif
	if (b->at)
		*b->at = htole32(value);
	else
		window_put32(q->bar, b->off, value);
}

/* Why a command is not taken: the slow way out. */
static int refusal(const struct nvme_queue *q)
{
	if (q->state == NVME_QUEUE_BROKEN)
		return q->error;
	return q->state == NVME_QUEUE_CLOSED ? -ESHUTDOWN : -EAGAIN;
}

/* The PRP list of @slot: the @count pages from @page on, unless it says so already. */
static uint64_t list_of(struct nvme_queue *q, uint32_t slot, uint64_t page, uint32_t count)
{
	struct nvme_slot *s = &q->slots[slot];
	uint64_t *list = q->lists + (size_t)slot * LIST_ENTRIES;

	if (s->list_page != page || s->list_count < count) {
		for (uint32_t i = 0; i < count; i++)
			list[i] = htole64(page + (uint64_t)i * NVME_PAGE);
		s->list_page = page;
		s->list_count = (uint16_t)count;
	}
	return q->lists_iova + (uint64_t)slot * NVME_PAGE;
}

static inline uint64_t second_prp(struct nvme_queue *q, uint32_t slot, uint64_t iova, uint64_t len)
{
	uint64_t first = NVME_PAGE - (iova & (NVME_PAGE - 1));

	if (len <= first)
		return 0;
	uint64_t page = iova + first;
	uint64_t rest = len - first;
	return rest <= NVME_PAGE
		       ? page
		       : list_of(q, slot, page, (uint32_t)((rest + NVME_PAGE - 1) / NVME_PAGE));
}

static inline void sent(struct nvme_queue *q, struct nvme_slot *s, uint64_t tag)
{
	s->tag = tag;
	s->epoch = q->epoch;
	s->busy = 1;
	q->tail = (q->tail + 1) & q->mask;
	q->inflight++;
}

static inline __attribute__((always_inline)) int transfer(struct nvme_queue *q, uint32_t opcode,
	const struct dma_buf *b, uint64_t off, uint64_t lba, uint32_t blocks, uint64_t tag)
{
	uint32_t slot = q->tail;
	struct nvme_slot *s = &q->slots[slot];
	struct nvme_sqe *c = &q->sq[slot];
	uint64_t len = (uint64_t)blocks << q->block_shift;

	if (unlikely(q->inflight >= q->limit || s->busy))
		return refusal(q);
	/* blocks - 1: none at all is too many */
	if (unlikely(blocks - 1 >= q->max_blocks || !range_ok(lba, blocks, q->blocks) ||
		     !range_ok(off, len, b->size) || off & 3))
		return -ERANGE;
	uint64_t iova = b->iova + off;
	c->cdw0 = htole32(opcode | slot << 16);
	c->prp1 = htole64(iova);
	c->prp2 = htole64(second_prp(q, slot, iova, len));
	c->cdw10 = htole32((uint32_t)lba);
	c->cdw11 = htole32((uint32_t)(lba >> 32));
	c->cdw12 = htole32(blocks - 1);
	sent(q, s, tag);
	return 0;
}

int nvme_read(struct nvme_queue *q, const struct dma_buf *b, uint64_t off, uint64_t lba,
	uint32_t blocks, uint64_t tag)
{
	return transfer(q, NVME_READ, b, off, lba, blocks, tag);
}

int nvme_write(struct nvme_queue *q, const struct dma_buf *b, uint64_t off, uint64_t lba,
	uint32_t blocks, uint64_t tag)
{
	return transfer(q, NVME_WRITE, b, off, lba, blocks, tag);
}

int nvme_submit(struct nvme_queue *q, const struct nvme_sqe *command, uint64_t tag)
{
	struct nvme_slot *s = &q->slots[q->tail];
	struct nvme_sqe *c = &q->sq[q->tail];

	if (q->inflight >= q->limit || s->busy)
		return refusal(q);
	*c = *command;
	c->cdw0 = htole32((le32toh(c->cdw0) & 0xffff) | q->tail << 16);
	sent(q, s, tag);
	return 0;
}

int nvme_flush(struct nvme_queue *q, uint64_t tag)
{
	const struct nvme_sqe c = {.cdw0 = htole32(NVME_FLUSH), .nsid = q->sq[q->tail].nsid};

	return nvme_submit(q, &c, tag);
}

void nvme_ring(struct nvme_queue *q)
{
	if (q->rung == q->tail || q->state == NVME_QUEUE_BROKEN)
		return;
	q->rung = q->tail;
	bell_ring(q, &q->sq_bell, q->tail);
}

static int broken(struct nvme_queue *q, int error)
{
	q->state = NVME_QUEUE_BROKEN;
	q->error = error;
	q->limit = 0;
	return error;
}

/* Once in a while: does the controller live, and is a command overdue? */
static int look(struct nvme_queue *q)
{
	int64_t now = now_ms();

	q->until_look = POLLS_A_LOOK;
	if (now - q->epoch_ms < EPOCH_MS)
		return 0;
	q->epoch_ms = now;
	q->epoch++;
	uint32_t status = window_get32(q->bar, NVME_CSTS);
	if (status == UINT32_MAX)
		return broken(q, -ENODEV);
	if (status & NVME_CSTS_CFS)
		return broken(q, -EIO);
	for (uint32_t i = 0; i <= q->mask; i++)
		if (q->slots[i].busy && q->epoch - q->slots[i].epoch > q->timeout_epochs)
			return broken(q, -ETIMEDOUT);
	return 0;
}

/* After a reset: what was under way will never be answered by the device. */
static int poll_aborted(struct nvme_queue *q, struct nvme_done *done, unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i <= q->mask && n < max; i++) {
		struct nvme_slot *s = &q->slots[i];
		if (!s->busy)
			continue;
		done[n++] = (struct nvme_done){.tag = s->tag, .status = NVME_HOST_ABORTED};
		s->busy = 0;
		q->inflight--;
	}
	if (!q->inflight) {
		q->state = NVME_QUEUE_RUNS;
		q->limit = q->mask;
	}
	return (int)n;
}

static int poll_slow(struct nvme_queue *q, struct nvme_done *done, unsigned max)
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

static void tell_head(struct nvme_queue *q)
{
	q->unread = 0;
	bell_ring(q, &q->cq_bell, q->head);
}

int nvme_poll(struct nvme_queue *q, struct nvme_done *done, unsigned max)
{
	unsigned n = 0;
	int r = 0;

	if (unlikely(q->state != NVME_QUEUE_RUNS))
		return poll_slow(q, done, max);
	while (n < max) {
		const struct nvme_cqe *c = &q->cq[q->head];
		/* Acquire: the rest of the entry, and the data, are read after the phase. */
		uint32_t status = le16toh(__atomic_load_n(&c->status, __ATOMIC_ACQUIRE));
		if ((status & 1) != q->phase)
			break;
		uint32_t cid = le16toh(c->cid);
		if (unlikely(cid > q->mask || !q->slots[cid].busy)) {
			r = broken(q, -EPROTO);
			break;
		}
		q->slots[cid].busy = 0;
		done[n].tag = q->slots[cid].tag;
		done[n].result = le32toh(c->result);
		done[n].status = (uint16_t)(status >> 1 & NVME_STATUS_MASK);
		n++;
		q->head = (q->head + 1) & q->cq_mask;
		if (!q->head)
			q->phase ^= 1;
	}
	q->inflight -= n;
	q->unread += n;
	/* At most mask commands are under way: half of the ring is always free for them. */
	if (q->unread > q->cq_mask >> 1)
		tell_head(q);
	if (unlikely(!--q->until_look))
		r = look(q);
	/* What is done is told first; what broke the queue, the next time. */
	return n ? (int)n : r;
}

int nvme_wait(struct nvme_queue *q, int timeout_ms)
{
	struct pollfd p = {.fd = q->event_fd, .events = POLLIN};
	uint64_t count;

	if (q->event_fd < 0 || q->state != NVME_QUEUE_RUNS)
		return 0;
	/* A controller need not signal again before it knows that the last entries were read. */
	if (q->unread)
		tell_head(q);
	q->until_look = 1; /* whoever sleeps has time for the clock */
	if ((le16toh(__atomic_load_n(&q->cq[q->head].status, __ATOMIC_ACQUIRE)) & 1) == q->phase)
		return 0;
	if (poll(&p, 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	return read(q->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int drain_error(int r, struct err *e)
{
	switch (r) {
	case -ENODEV:
		return err_say(e, r, "nvme: the controller is gone");
	case -EIO:
		return err_say(e, r, "nvme: the controller reports a fatal error");
	case -ETIMEDOUT:
		return err_say(e, r, "nvme: a command was not answered in time");
	case -EPROTO:
		return err_say(e, r, "nvme: the controller completed a command that was not sent");
	default:
		return err_set(e, r, "nvme: wait for commands");
	}
}

int nvme_drain(struct nvme_queue *q, struct err *e)
{
	struct nvme_done done[16];
	char text[32];
	int bad = 0;

	nvme_ring(q);
	while (q->inflight) {
		int n = nvme_poll(q, done, COUNT(done));
		if (n < 0)
			return drain_error(n, e);
		for (int i = 0; i < n; i++)
			if (done[i].status && !bad)
				bad = err_say(e, -EIO, "nvme: command %llu: %s",
					(unsigned long long)done[i].tag,
					nvme_status_text(done[i].status, text));
		if (!n)
			n = nvme_wait(q, EPOCH_MS);
		if (n < 0)
			return drain_error(n, e);
	}
	return bad;
}

const char *nvme_status_text(uint16_t status, char buf[32])
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

	for (size_t i = 0; i < COUNT(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	(void)snprintf(buf, 32, "status %x/%02x", status >> 8 & 7, status & 0xff);
	return buf;
}

/* One buffer: submission ring, completion ring, a page for each place's PRP list. */
static uint64_t cq_offset(unsigned depth)
{
	return align_up(depth * sizeof(struct nvme_sqe), NVME_PAGE);
}

int nvme_queue_new(struct nvme_queue *q, struct attachment *a, unsigned depth, unsigned cq_depth,
	struct err *e)
{
	uint64_t lists = cq_offset(depth) + align_up(cq_depth * sizeof(struct nvme_cqe), NVME_PAGE);

	*q = (struct nvme_queue){.event_fd = -1, .mask = depth - 1, .cq_mask = cq_depth - 1};
	q->slots = calloc(depth, sizeof(*q->slots));
	if (!q->slots)
		return err_set(e, -ENOMEM, "nvme: a queue");
	int r = dma_buf_new(a, lists + (uint64_t)depth * NVME_PAGE, UINT64_MAX, &q->mem, e);
	if (r < 0) {
		free(q->slots);
		q->slots = NULL;
		return r;
	}
	uint8_t *mem = q->mem.mem;
	q->sq = (void *)mem;
	q->cq = (const void *)(mem + cq_offset(depth));
	q->lists = (void *)(mem + lists);
	q->lists_iova = q->mem.iova + lists;
	return 0;
}

uint64_t nvme_queue_cq_iova(const struct nvme_queue *q)
{
	return q->mem.iova + cq_offset(q->mask + 1);
}

void nvme_queue_start(struct nvme_queue *q, uint32_t nsid)
{
	uint8_t *mem = q->mem.mem;

	memset(mem, 0, (size_t)((uint8_t *)q->lists - mem));
	for (uint32_t i = 0; i <= q->mask; i++)
		q->sq[i].nsid = htole32(nsid);
	q->tail = q->rung = q->head = q->unread = 0;
	q->phase = 1;
	q->until_look = POLLS_A_LOOK;
	q->epoch_ms = now_ms();
	/* Identifiers of before stay taken until nvme_poll() has told of them. */
	q->state = q->inflight ? NVME_QUEUE_ABORTS : NVME_QUEUE_RUNS;
	q->limit = q->inflight ? 0 : q->mask;
}

int nvme_queue_free(struct nvme_queue *q, struct attachment *a)
{
	int r = dma_buf_free(a, &q->mem, NULL);

	free(q->slots);
	*q = (struct nvme_queue){.event_fd = -1};
	return r;
}
