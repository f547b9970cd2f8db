/* SPDX-License-Identifier: MIT */
/*
 * The NVMe driver against a controller that does as the input says: good answers, bad ones, none,
 * such as nobody asked for, lies in registers, in identify and in admin completions, and writes to
 * any memory it was given. Whatever it does, each command comes back at most once, and a call
 * returns one of the codes that its header names. Time passes only when the driver waits or looks
 * at the clock, or when the input says so.
 *
 * Input: 1 byte flags (LIE_…, USE_…), 1 byte queues and depth, 3 bytes namespace and doorbell
 * buffer, the lies; then steps, 1 byte each and what they take.
 *
 * covers: src/driver/nvme.c src/driver/nvme_queue.c
 */
#include "base/endian.h"
#include "base/num.h"
#include "driver/nvme.h"
#include "model/host.h"
#include "model/nvme.h"
#include "require.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <usher/err.h>
#include <usher/irq.h>

#define DEPTH 8
#define TAGS 65536
#define STEPS_MAX 256

enum {
	LIE_REGISTERS = 1 << 0,
	LIE_IDENTIFY = 1 << 1,
	LIE_ADMIN = 1 << 2,
	USE_INTERRUPTS = 1 << 3,
	USE_PLAIN_BELLS = 1 << 4,
	USE_SHAPE = 1 << 5,
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The linker sends the driver's calls here, and those of this program (see meson.build). */
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __real_nanosleep(const struct timespec *want, struct timespec *left);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_nanosleep(const struct timespec *want, struct timespec *left);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

static struct nvme nvme;
static struct usher_buffer buf;
static struct usher_device *dev;
static struct model_nvme *model;
static uint8_t open_tags[TAGS]; /* sent, and not back yet */
static unsigned open_count;

static bool in_test; /* only then time is ours */
static int64_t now_ms;
static uint8_t flags;
static uint64_t lying_cap;
static unsigned status_lies; /* so many reads of CSTS */

static struct {
	const uint8_t *at, *end;
} input;

/* A queue that is polled sleeps nowhere: each look at the clock takes time as well. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!in_test)
		return __real_clock_gettime(clock, ret);
	now_ms += 60;
	*ret = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
	return 0;
}

/* A sleep may last longer than was asked for. */
int __wrap_nanosleep(const struct timespec *want, struct timespec *left)
{
	if (!in_test)
		return __real_nanosleep(want, left);
	now_ms += 100;
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int r = __real_poll(fds, count, in_test ? 0 : timeout_ms);

	if (in_test && r == 0 && timeout_ms > 0)
		now_ms += timeout_ms;
	return r;
}

static uint8_t take(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static uint16_t take16(void)
{
	uint16_t low = take();

	return (uint16_t)(low | take() << 8);
}

static uint64_t fuzz_read(
	struct usher_model_device *d, void *state, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t v = model_nvme.ops->read(d, state, bar, off, size);

	if (flags & LIE_REGISTERS && off < NVME_CAP + 8)
		v ^= lying_cap >> 8 * (off & 4);
	if (off != NVME_CSTS || !status_lies)
		return v;
	status_lies--;
	return take() & 3 ? v ^ take() : UINT32_MAX;
}

/* Bytes of an answer that is not there yet, or just arrived. */
static void lie_in_identify(void)
{
	static const uint16_t fields[] = {NVME_NS_SIZE, NVME_NS_SIZE + 7, NVME_NS_FLBAS,
		NVME_NS_LBAF + 2, NVME_ID_MDTS, NVME_ID_OACS + 1, NVME_ID_SERIAL, NVME_ID_MODEL};
	uint8_t *page = nvme.page.host;

	for (unsigned i = take() % 4; page && i; i--)
		page[fields[take() % COUNT(fields)]] = take();
}

/* The status or the result of one of the newest admin completions. */
static void lie_in_admin(void)
{
	struct nvme_cqe *next = (struct nvme_cqe *)(uintptr_t)nvme.admin.next;
	uint8_t how = take();

	if (!next || !(how & 3))
		return;
	if (how & 1)
		next->result = htole32(take() | (uint32_t)take() << 16);
	else
		next->status = htole16((uint16_t)(le16toh(next->status) ^ (take16() & ~1)));
}

static void fuzz_write(struct usher_model_device *d, void *state, unsigned bar, uint64_t off,
	unsigned size, uint64_t value)
{
	model_nvme.ops->write(d, state, bar, off, size, value);
	if (off != NVME_DOORBELLS)
		return;
	if (flags & LIE_IDENTIFY)
		lie_in_identify();
	if (flags & LIE_ADMIN)
		lie_in_admin();
}

static struct usher_model_ops lying_ops;
static struct usher_model lying_model;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	lying_ops = *model_nvme.ops;
	lying_ops.read = fuzz_read;
	lying_ops.write = fuzz_write;
	lying_model = model_nvme;
	lying_model.name = "lying";
	lying_model.ops = &lying_ops;
	require(usher_model_register(&lying_model) == 0, "the model can be registered");
	return 0;
}

static bool is_known(int r)
{
	return r == -EAGAIN || r == -ERANGE || r == -ETIMEDOUT || r == -ENODEV || r == -EIO ||
	       r == -EPROTO || r == -ESHUTDOWN;
}

static void send(void)
{
	static uint16_t tag;
	struct nvme_queue *q = &nvme.queues[0];
	uint8_t how = take();
	uint64_t off = take16(), lba = take16();
	uint32_t blocks = take();
	int r;

	tag++;
	if (open_tags[tag])
		return;
	if (how & 1)
		r = nvme_write(q, &buf, off, lba, blocks, tag);
	else
		r = how & 2 ? nvme_flush(q, tag) : nvme_read(q, &buf, off, lba, blocks, tag);
	require(r == 0 || is_known(r), "what sending returns");
	if (r == 0 && !(how & 2 && !(how & 1)))
		require(blocks && lba + blocks <= nvme.blocks &&
				off + ((uint64_t)blocks << nvme.block_shift) <= buf.size,
			"nothing outside is sent");
	open_tags[tag] = r == 0;
	open_count += r == 0;
	require(open_count < DEPTH, "the queue is full when it is full");
}

static void poll_once(void)
{
	struct nvme_done done[DEPTH];
	char text[32];
	int n = nvme_poll(&nvme.queues[0], done, 1 + take() % DEPTH);

	require(n >= 0 || is_known(n), "what polling returns");
	for (int i = 0; i < n; i++) {
		require(done[i].tag < TAGS && open_tags[done[i].tag], "each comes back once");
		open_tags[done[i].tag] = 0;
		open_count--;
		(void)nvme_status_text(done[i].status, text);
	}
	require(nvme_inflight(&nvme.queues[0]) == open_count, "none is forgotten");
}

/* Writes any bytes into one of the mappings: queues, lists, data. */
static void scribble(void)
{
	const struct model_container *c = usher_model_of(dev)->container;
	uint8_t bytes[16];
	size_t len = 1 + take() % sizeof(bytes);

	if (!c->count)
		return;
	const struct model_mapping *m = &c->maps[take() % c->count];
	uint64_t off = take16() % (m->size - sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = take();
	(void)usher_model_dma_write(usher_model_of(dev), (usher_iova_t){m->iova + off}, bytes, len);
}

/* What comes back inside of a call that waits is gone: looks which commands are left. */
static void recount(void)
{
	const struct nvme_queue *q = &nvme.queues[0];

	memset(open_tags, 0, sizeof(open_tags));
	open_count = 0;
	for (uint32_t i = 0; i <= q->mask; i++) {
		if (!q->slots[i].epoch)
			continue;
		require(q->slots[i].tag < TAGS && !open_tags[q->slots[i].tag],
			"a tag is there once");
		open_tags[q->slots[i].tag] = 1;
		open_count++;
	}
}

static void drain(void)
{
	struct usher_err e;
	int r = nvme_drain(&nvme.queues[0], &e);

	require(r <= 0 && (r == 0 || is_known(r)), "what draining returns");
	recount();
	require(r < 0 || !open_count, "a queue is empty when it was drained");
}

static void send_admin(void)
{
	const struct nvme_sqe c = {.cdw0 = htole32(take()), .cdw10 = htole32(take16())};
	struct usher_err e;
	uint32_t result;
	int r = nvme_admin(&nvme, &c, &result, &e);

	require(r <= 0 && (r == 0 || is_known(r)), "what an admin command returns");
}

static void recover(void)
{
	struct usher_err e;
	int r = nvme_recover(&nvme, &e);

	require(r <= 0, "what recovery returns");
	recount();
}

static void break_next(void)
{
	enum usher_model_fault fault = take() % (USHER_FAULT_STRAY + 1);

	model->bad_status = take16();
	usher_model_break(usher_model_of(dev), fault, take() % 4, 1 + take() % 2);
}

static void step(void)
{
	switch (take() % 12) {
	case 0:
	case 1:
		send();
		break;
	case 2:
		nvme_ring(&nvme.queues[0]);
		break;
	case 3:
	case 4:
		poll_once();
		break;
	case 5:
		scribble();
		break;
	case 6:
		break_next();
		break;
	case 7:
		recover();
		break;
	case 8:
		(void)nvme_wait(&nvme.queues[0], take());
		break;
	case 9:
		drain();
		break;
	case 10:
		now_ms += take() * 4;
		status_lies = take() % 4;
		nvme.queues[0].until_look = 1;
		break;
	default:
		send_admin();
		break;
	}
}

/* What the device says of itself, which the driver must check. */
static void lie(void)
{
	model->blocks = take16() + 1u;
	model->offers_shadow = take() & 1;
	if (model->blocks > 512)
		model->blocks = 512;
	lying_cap = 0;
	for (unsigned i = 0; flags & LIE_REGISTERS && i < 8; i++)
		lying_cap |= (uint64_t)take() << (8 * i);
	status_lies = flags & LIE_REGISTERS ? take() % 8 : 0;
}

static struct nvme_options choose_options(uint8_t shape)
{
	struct nvme_options o = {.depth = DEPTH,
		.timeout_ms = 1,
		.interrupts = flags & USE_INTERRUPTS,
		.no_shadow = flags & USE_PLAIN_BELLS};

	if (flags & USE_SHAPE) {
		o.queues = shape % 20;
		o.nsid = shape >> 7;
		o.depth = shape & 0x60 ? DEPTH : shape;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct usher_err e;

	input.at = data;
	input.end = data + size;
	memset(open_tags, 0, sizeof(open_tags));
	open_count = 0;
	if (usher_device_open("model:lying,blocks=512", NULL, &dev, &e) < 0)
		return 0;
	in_test = true;
	now_ms = 1000;
	flags = take();
	const struct nvme_options o = choose_options(take());
	model = usher_model_state(usher_model_of(dev));
	lie();
	int r = nvme_open(dev, &o, &nvme, &e);
	/* The rules above are for a queue of this depth. */
	if (r == 0 && nvme.queues[0].mask == DEPTH - 1 &&
		usher_buffer_alloc(usher_device_space(dev), KIB(64), 0, &buf, &e) == 0)
		for (unsigned i = 0; i < STEPS_MAX && input.at < input.end; i++)
			step();
	nvme_close(&nvme);
	usher_buffer_free(&buf);
	dev = usher_device_close(dev);
	in_test = false;
	return 0;
}
