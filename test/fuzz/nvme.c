/* SPDX-License-Identifier: MIT */
/*
 * The NVMe driver against a controller that does as the input says: good answers, bad ones, none,
 * such as nobody asked for, and writes to any memory it was given. Whatever it does, each command
 * comes back at most once, and a call returns one of the codes that its header names.
 *
 * covers: src/driver/nvme.c src/driver/nvme_queue.c
 */
#include "base/num.h"
#include "driver/nvme.h"
#include "model/host.h"
#include "model/nvme.h"
#include "require.h"

#include <errno.h>
#include <string.h>
#include <usher/err.h>

#define DEPTH 8
#define TAGS 65536
#define STEPS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nvme nvme;
static struct usher_buffer buf;
static struct usher_device *dev;
static struct model_nvme *model;
static uint8_t open_tags[TAGS]; /* sent, and not back yet */
static unsigned open_count;

static struct {
	const uint8_t *at, *end;
} input;

static uint8_t take(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static uint16_t take16(void)
{
	uint16_t low = take();

	return (uint16_t)(low | take() << 8);
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

static void recover(void)
{
	static unsigned few;
	struct usher_err e;

	/* Waiting for a controller takes real time. */
	if (few++ % 16)
		return;
	int r = nvme_recover(&nvme, &e);
	require(r <= 0, "what recovery returns");
}

static void break_next(void)
{
	enum usher_model_fault fault = take() % (USHER_FAULT_STRAY + 1);

	model->bad_status = take16();
	usher_model_break(usher_model_of(dev), fault, take() % 4, 1 + take() % 2);
}

static void step(void)
{
	switch (take() % 8) {
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
	default:
		recover();
		break;
	}
}

/* The device controls the result of identify, which the driver must check. */
static void lie(void)
{
	model->blocks = take16() + 1u;
	model->offers_shadow = take() & 1;
	if (model->blocks > 8192)
		model->blocks = 8192;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nvme_options o = {.depth = DEPTH, .timeout_ms = 1};
	struct usher_err e;

	input.at = data;
	input.end = data + size;
	memset(open_tags, 0, sizeof(open_tags));
	open_count = 0;
	if (usher_device_open("model:nvme", NULL, &dev, &e) < 0)
		return 0;
	model = usher_model_state(usher_model_of(dev));
	lie();
	if (nvme_open(dev, &o, &nvme, &e) == 0 &&
		usher_buffer_alloc(usher_device_space(dev), KIB(64), 0, &buf, &e) == 0) {
		nvme.ready_ms = 1;
		for (unsigned i = 0; i < STEPS_MAX && input.at < input.end; i++)
			step();
	}
	nvme_close(&nvme);
	usher_buffer_free(&buf);
	dev = usher_device_close(dev);
	return 0;
}
