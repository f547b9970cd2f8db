/* SPDX-License-Identifier: MIT */
#include "driver/nvme.h"

#include "base/num.h"
#include "model/host.h"
#include "model/nvme.h"
#include "suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <usher/err.h>

#define BLOCKS 8192u /* 4 MiB */
#define TIMEOUT_MS 200

static struct usher_device *dev;
static struct usher_model_device *host;
static struct model_nvme *model;
static struct nvme nvme;
static struct usher_buffer buf;
static struct usher_err e;
static struct nvme_done done[64];

static void attach(const char *uri)
{
	e = (struct usher_err){0};
	ck_assert_msg(usher_device_open(uri, NULL, &dev, &e) == 0, "%s", e.msg);
	host = usher_model_of(dev);
	model = usher_model_state(host);
	for (size_t i = 0; i < BLOCKS * MODEL_NVME_BLOCK; i++)
		model->disk[i] = (uint8_t)(i * 31 + (i >> 9));
}

static void open_driver(const struct nvme_options *o)
{
	ck_assert_msg(nvme_open(dev, o, &nvme, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(usher_buffer_alloc(usher_device_space(dev), MIB(1), 0, &buf, &e), 0);
}

static void set_up(const struct nvme_options *o)
{
	attach("model:nvme");
	open_driver(o);
}

static void tear_down(void)
{
	nvme_close(&nvme);
	usher_buffer_free(&buf);
	ck_assert_uint_eq(host->container->count, 0);
	ck_assert_uint_eq(host->dma_faults, 0);
	dev = usher_device_close(dev);
}

START_TEST(learns_the_controller)
{
	set_up(NULL);
	ck_assert_str_eq(nvme.serial, "model");
	ck_assert_str_eq(nvme.model, "usher model of NVMe");
	ck_assert_uint_eq(nvme.blocks, BLOCKS);
	ck_assert_uint_eq(nvme.block_shift, 9);
	ck_assert_uint_eq(nvme.max_blocks, 1024);
	tear_down();
}
END_TEST

/* All sizes at all offsets: one page, two, a list, unaligned. */
START_TEST(transfers_any_size_and_offset)
{
	static const uint32_t sizes[] = {1, 7, 8, 9, 16, 17, 64, 1023, 1024};
	static const uint32_t offs[] = {0, 4, 512, 4092};
	uint8_t *mem;

	set_up(NULL);
	struct nvme_queue *q = &nvme.queues[0];
	mem = buf.host;
	for (unsigned i = 0; i < COUNT(sizes) * COUNT(offs); i++) {
		uint32_t n = sizes[i / COUNT(offs)], off = offs[i % COUNT(offs)], lba = i * 13;
		memset(mem, 0xa5, buf.size);
		ck_assert_int_eq(nvme_read(q, &buf, off, lba, n, i), 0);
		ck_assert_msg(nvme_drain(q, &e) == 0, "%u at %u: %s", n, off, e.msg);
		ck_assert_mem_eq(mem + off, model->disk + lba * 512, n * 512);
		ck_assert_uint_eq(mem[off + n * 512], 0xa5);
		memset(mem + off, (int)i, n * 512);
		ck_assert_int_eq(nvme_write(q, &buf, off, lba, n, i), 0);
		ck_assert_int_eq(nvme_drain(q, &e), 0);
		ck_assert_mem_eq(model->disk + lba * 512, mem + off, n * 512);
	}
	ck_assert_int_eq(nvme_flush(q, 1), 0);
	ck_assert_int_eq(nvme_drain(q, &e), 0);
	tear_down();
}
END_TEST

START_TEST(refuses_what_lies_outside)
{
	set_up(NULL);
	struct nvme_queue *q = &nvme.queues[0];
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 0, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 1025, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, 0, BLOCKS, 1, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, 0, BLOCKS - 1, 2, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, 0, UINT64_MAX, 2, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, buf.size - 508, 0, 1, 1), -ERANGE);
	ck_assert_int_eq(nvme_read(q, &buf, 2, 0, 1, 1), -ERANGE);
	ck_assert_uint_eq(nvme_inflight(q), 0);
	tear_down();
}
END_TEST

/* Many rounds of the ring, in batches of every size; each tag comes back once. */
START_TEST(batches_go_round)
{
	const struct nvme_options o = {.depth = 32};
	uint64_t next = 0, back = 0;

	for (int shadowed = 0; shadowed < 2; shadowed++) {
		attach(shadowed ? "model:nvme,shadow" : "model:nvme");
		open_driver(&o);
		struct nvme_queue *q = &nvme.queues[0];
		ck_assert_int_eq(q->sq_bell.shadow != NULL, shadowed);
		for (unsigned i = 0; i < 1000; i++) {
			unsigned size = 1 + i % 31;
			uint64_t bells = model->bells;
			for (unsigned k = 0; k < size; k++)
				ck_assert_int_eq(nvme_read(q, &buf, k * 512, k, 1, next++), 0);
			if (size == 31)
				ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 1, 0), -EAGAIN);
			nvme_ring(q);
			ck_assert_uint_eq(model->bells - bells, 1);
			int n = nvme_poll(q, done, COUNT(done));
			ck_assert_int_eq(n, (int)size);
			for (int k = 0; k < n; k++) {
				ck_assert_uint_eq(done[k].tag, back++);
				ck_assert_uint_eq(done[k].status, NVME_OK);
			}
		}
		/* Fewer completion doorbells than completions: one for half a ring. */
		ck_assert_uint_lt(model->bells, 1000 + 1000 * 16 / 32 + 64);
		tear_down();
	}
	ck_assert_uint_eq(next, back);
}
END_TEST

START_TEST(several_queues_with_interrupts)
{
	const struct nvme_options o = {.queues = 4, .interrupts = true};

	set_up(&o);
	ck_assert_uint_eq(nvme.queue_count, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct nvme_queue *q = &nvme.queues[i];
		ck_assert_int_eq(nvme_read(q, &buf, 0, i, 1, i), 0);
		nvme_ring(q);
		ck_assert_int_eq(nvme_wait(q, 1000), 0);
		ck_assert_int_eq(nvme_poll(q, done, 4), 1);
		ck_assert_uint_eq(done[0].tag, i);
		ck_assert_int_eq(nvme_read(q, &buf, 0, i, 1, i), 0);
		ck_assert_int_eq(nvme_drain(q, &e), 0);
	}
	tear_down();
}
END_TEST

/* Without a completion doorbell the ring is full after one round. */
START_TEST(rings_go_round_at_every_limit)
{
	const struct nvme_options o = {.queues = NVME_QUEUES_MAX, .depth = 2048};
	uint32_t queues = 7 | 7 << 16;
	const struct nvme_sqe c = {
		.cdw0 = NVME_SET_FEATURES, .cdw10 = NVME_FEATURE_QUEUES, .cdw11 = queues};

	set_up(&o);
	ck_assert_uint_eq(nvme.queue_count, 16);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_msg(nvme_admin(&nvme, &c, &queues, &e) == 0, "%u: %s", i, e.msg);
	struct nvme_queue *q = &nvme.queues[15];
	ck_assert_uint_eq(q->mask + 1, 512); /* what the controller's 1024 completions allow */
	for (unsigned i = 0; i < 5000; i++) {
		/* Sometimes the whole ring at once. */
		for (unsigned k = 0; k < (i % 100 ? 1 : q->mask); k++)
			ck_assert_int_eq(nvme_read(q, &buf, 0, k, 1, i), 0);
		ck_assert_msg(nvme_drain(q, &e) == 0, "%u: %s", i, e.msg);
	}
	tear_down();
}
END_TEST

START_TEST(a_bad_status_is_that_command_s)
{
	char text[32];

	set_up(NULL);
	struct nvme_queue *q = &nvme.queues[0];
	usher_model_break(host, USHER_FAULT_STATUS, 1, 1);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(nvme_read(q, &buf, 0, i, 1, i), 0);
	nvme_ring(q);
	ck_assert_int_eq(nvme_poll(q, done, 8), 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(done[i].status, i == 1 ? NVME_UNRECOVERED_READ : NVME_OK);
	ck_assert_str_eq(nvme_status_text(done[1].status, text), "unrecovered read error");
	ck_assert_str_eq(nvme_status_text(0x123, text), "status 1/23");
	usher_model_break(host, USHER_FAULT_STATUS, 0, 1);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 1, 77), 0);
	ck_assert_int_eq(nvme_drain(q, &e), -EIO);
	ck_assert_str_eq(e.msg, "nvme: command 77: unrecovered read error");
	tear_down();
}
END_TEST

START_TEST(a_short_transfer_is_an_error)
{
	set_up(NULL);
	struct nvme_queue *q = &nvme.queues[0];
	usher_model_break(host, USHER_FAULT_SHORT, 0, 1);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 64, 1), 0);
	ck_assert_int_eq(nvme_drain(q, &e), -EIO);
	ck_assert_ptr_ne(strstr(e.msg, "data transfer error"), NULL);
	tear_down();
}
END_TEST

/* Faults that break the queue: a reset returns each command once and makes the queue work again. */
static void breaks_and_recovers(enum usher_model_fault fault, int code)
{
	const struct nvme_options o = {.timeout_ms = TIMEOUT_MS, .interrupts = true};
	struct usher_err why = {0};
	unsigned seen = 0;

	set_up(&o);
	struct nvme_queue *q = &nvme.queues[0];
	usher_model_break(host, fault, 2, 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(nvme_read(q, &buf, 0, i, 1, i), 0);
	int r = nvme_drain(q, &why);
	ck_assert_int_eq(r, code);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 1, 9), code);
	ck_assert_int_eq(nvme_poll(q, done, 8), code);
	ck_assert_msg(nvme_recover(&nvme, &e) == 0, "%s", e.msg);
	int n = nvme_inflight(q) ? nvme_poll(q, done, 8) : 0;
	for (int i = 0; i < n; i++) {
		ck_assert_uint_eq(done[i].status, NVME_HOST_ABORTED);
		ck_assert_uint_eq(seen & 1u << done[i].tag, 0);
		seen |= 1u << done[i].tag;
	}
	ck_assert_int_ge(n, 1);
	memset(buf.host, 0, 4096);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 100, 8, 1), 0);
	ck_assert_msg(nvme_drain(q, &e) == 0, "%s", e.msg);
	ck_assert_mem_eq(buf.host, model->disk + 100 * 512, 4096);
	tear_down();
}

START_TEST(recovers_from_a_timeout)
{
	breaks_and_recovers(USHER_FAULT_TIMEOUT, -ETIMEDOUT);
}
END_TEST

START_TEST(recovers_from_a_fatal_error)
{
	breaks_and_recovers(USHER_FAULT_FATAL, -EIO);
}
END_TEST

START_TEST(recovers_from_a_stray_completion)
{
	breaks_and_recovers(USHER_FAULT_STRAY, -EPROTO);
}
END_TEST

START_TEST(a_controller_that_vanishes_is_gone)
{
	set_up(NULL);
	struct nvme_queue *q = &nvme.queues[0];
	usher_model_break(host, USHER_FAULT_VANISH, 1, 1);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(nvme_read(q, &buf, 0, i, 1, i), 0);
	ck_assert_int_eq(nvme_drain(q, &e), -ENODEV);
	ck_assert_int_eq(nvme_recover(&nvme, &e), -ENODEV);
	tear_down();
}
END_TEST

/* The queues of before are those that the program has. */
START_TEST(a_reset_neither_adds_nor_loses_queues)
{
	const struct nvme_options o = {.queues = 4};

	set_up(&o);
	nvme_close(&nvme);
	model->grants = 2;
	ck_assert_msg(nvme_open(dev, &o, &nvme, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(nvme.queue_count, 2);
	model->grants = 4;
	ck_assert_msg(nvme_recover(&nvme, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(nvme.queue_count, 2);
	model->grants = 1;
	ck_assert_int_eq(nvme_recover(&nvme, &e), -EIO);
	ck_assert_str_eq(e.msg, "nvme: after its reset the controller grants 1 of 2 queues");
	ck_assert_uint_eq(nvme.queue_count, 2);
	tear_down();
}
END_TEST

START_TEST(slow_programs_do_not_time_out)
{
	const struct nvme_options o = {.timeout_ms = 100};

	set_up(&o);
	struct nvme_queue *q = &nvme.queues[0];
	ck_assert_int_eq(nvme_read(q, &buf, 0, 0, 1, 0), 0);
	/* A poll after an hour without one. */
	q->epoch_ms -= 3600000;
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(nvme_poll(q, done, 1), 0);
	ck_assert_int_eq(nvme_drain(q, &e), 0);
	tear_down();
}
END_TEST

static int running;

static void *run_device(void *arg)
{
	while (__atomic_load_n(&running, __ATOMIC_RELAXED))
		model_nvme_run(arg);
	return NULL;
}

START_TEST(mapped_doorbells_are_plain_stores)
{
	pthread_t device;

	attach("model:nvme-mapped");
	running = 1;
	ck_assert_int_eq(pthread_create(&device, NULL, run_device, model), 0);
	open_driver(NULL);
	__atomic_store_n(&running, 0, __ATOMIC_RELAXED);
	(void)pthread_join(device, NULL);
	struct nvme_queue *q = &nvme.queues[0];
	ck_assert(q->sq_bell.at != NULL);
	ck_assert_int_eq(nvme_read(q, &buf, 0, 3, 8, 5), 0);
	nvme_ring(q);
	ck_assert_int_eq(nvme_poll(q, done, 1), 0);
	model_nvme_run(model);
	ck_assert_int_eq(nvme_poll(q, done, 1), 1);
	ck_assert_mem_eq(buf.host, model->disk + 3 * 512, 4096);
	ck_assert_uint_eq(model->bells, 0);
	tear_down();
}
END_TEST

START_TEST(refuses_what_it_cannot_drive)
{
	const struct nvme_options odd = {.depth = 48}, many = {.queues = 17}, far = {.nsid = 2};

	attach("model:nvme");
	ck_assert_int_eq(nvme_open(dev, &odd, &nvme, &e), -EINVAL);
	nvme_close(&nvme);
	ck_assert_int_eq(nvme_open(dev, &many, &nvme, &e), -EINVAL);
	nvme_close(&nvme);
	ck_assert_int_eq(nvme_open(dev, &far, &nvme, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "nvme: there is no namespace 2");
	nvme_close(&nvme);
	host->container->lock_limit = host->container->locked + 8192;
	ck_assert_int_eq(nvme_open(dev, NULL, &nvme, &e), -ENOMEM);
	tear_down();
}
END_TEST

SUITE("nvme", learns_the_controller, transfers_any_size_and_offset, refuses_what_lies_outside,
	batches_go_round, several_queues_with_interrupts, rings_go_round_at_every_limit,
	a_bad_status_is_that_command_s, a_short_transfer_is_an_error, recovers_from_a_timeout,
	recovers_from_a_fatal_error, recovers_from_a_stray_completion,
	a_controller_that_vanishes_is_gone, a_reset_neither_adds_nor_loses_queues,
	slow_programs_do_not_time_out, mapped_doorbells_are_plain_stores,
	refuses_what_it_cannot_drive)
