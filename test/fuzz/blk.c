/* SPDX-License-Identifier: MIT */
/*
 * Requests of a driver for its disk, in chains at random. Input: the disk, then requests: a header
 * that is one of a request or any bytes, and the parts of its chain. What the parser lets pass lies
 * in the disk and in RAM. A request of a disk that is small enough is done, on an image, and the
 * image is compared with a model of it.
 *
 * covers: src/vmm/virtio/blk_request.c src/vmm/virtio/blk_io.c
 */
#include "base/endian.h"
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/blk_io.h"
#include "vmm/virtio/blk_request.h"

#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE KIB(16)
#define ROM_OFF KIB(12) /* from there on the guest cannot write, and nor can its disk */
#define IMAGE_SIZE KIB(16)
#define HEADER_AT KIB(8)
#define REQUESTS_MAX 24
#define PARTS_MAX 20
#define SEGMENTS 18 /* that are written behind a header */
#define SEGMENT_SIZE sizeof(struct virtio_blk_discard_write_zeroes)

static struct memory memory = MEMORY_NONE;
static struct virtq queue = {.memory = &memory};
static uint8_t *ram;
static int image = -1;
static uint8_t model[IMAGE_SIZE]; /* of the image */
static uint8_t before[RAM_SIZE];

static void stage_make(void)
{
	struct memory_range r = {.size = ROM_OFF, .kind = MEMORY_RAM};

	if (!ram) {
		require(memory_init(&memory, RAM_SIZE, MEMORY_PRIVATE, NULL) == 0, "there is RAM");
		ram = memory.ram;
		r.host = ram;
		require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
		r = (struct memory_range){.gpa = GPA(ROM_OFF),
			.size = RAM_SIZE - ROM_OFF,
			.host = ram + ROM_OFF,
			.kind = MEMORY_RAM,
			.readonly = true};
		require(memory_add(&memory, &r, NULL) == 0, "so is what it cannot write");
		image = memfd_create("image", MFD_CLOEXEC);
		require(image >= 0, "there is an image");
	}
	for (size_t i = 0; i < RAM_SIZE; i++)
		ram[i] = (uint8_t)(i * 7);
	require(ftruncate(image, 0) == 0 && ftruncate(image, IMAGE_SIZE) == 0, "it is empty");
	memset(model, 0, sizeof(model));
}

static struct blk_spec disk_describe(struct input *in)
{
	const uint8_t how = input_byte(in);
	struct blk_spec d = {.logical = how & 1 ? 4096 : 512,
		.physical = 4096,
		.readonly = how & 2,
		.direct = how & 4,
		.serial = "12345678901234567890"};

	d.size = how & 8 ? input_number(in) & ~(uint64_t)(d.logical - 1) : IMAGE_SIZE;
	if (!d.size || d.size > INT64_MAX)
		d.size = IMAGE_SIZE;
	return d;
}

/* A sector: of the image, or near a bound. */
static uint64_t sector_pick(struct input *in, const struct blk_spec *d)
{
	const uint8_t kind = input_byte(in);

	if (kind < 0xa0)
		return kind % 40;
	if (kind < 0xd0)
		return d->size / BLK_SECTOR - kind % 16;
	return kind < 0xf0 ? input_number(in) : UINT64_MAX - kind % 16;
}

static void segment_put(struct input *in, const struct blk_spec *d, uint8_t *at, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes s;
	const uint8_t kind = input_byte(in);

	s.sector = htole64(sector_pick(in, d));
	s.num_sectors = htole32(kind & 0x40 ? (uint32_t)input_number(in) : kind % 64);
	s.flags = htole32(kind & 0x80 ? input_byte(in) : flags);
	memcpy(at, &s, sizeof(s));
}

static void header_put(struct input *in, const struct blk_spec *d)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
	const uint8_t kind = input_byte(in);
	struct virtio_blk_outhdr h = {.type = htole32(types[kind % COUNT(types)])};

	if (kind >= 0xf0)
		h.type = htole32((uint32_t)input_number(in));
	h.sector = htole64(sector_pick(in, d));
	memcpy(ram + HEADER_AT, &h, sizeof(h));
	/* What earlier requests have put there stays. */
	for (unsigned i = 0; i < (kind & 0x80 ? 1 : SEGMENTS); i++)
		segment_put(in, d, ram + HEADER_AT + sizeof(h) + i * SEGMENT_SIZE, kind & 1);
}

static uint32_t size_pick(struct input *in)
{
	const uint8_t kind = input_byte(in);

	if (kind < 0xc0)
		return kind % 24 * 256;
	return kind < 0xf0 ? kind - 0xc0U : (uint32_t)input_number(in);
}

/* Mostly in RAM, and sometimes where a header or its middle is. */
static uint64_t place_pick(struct input *in)
{
	const uint8_t kind = input_byte(in);

	if (kind == 0xff)
		return input_number(in);
	return kind < 0xf0 ? (uint64_t)kind << 6 : HEADER_AT + (kind & 0xfU) * 8;
}

static void part_add(struct virtq_chain *c, uint64_t at, uint32_t size, bool in)
{
	c->parts[c->part_count++] = (struct virtq_part){GPA(at), size};
	*(in ? &c->in_size : &c->out_size) += size;
	c->out_count += !in;
}

/* As virtq_take() makes them: what the device reads comes before what it writes. */
static void chain_make(struct input *in, struct virtq_chain *c)
{
	const uint8_t how = input_byte(in);
	unsigned writes = (how >> 4) % PARTS_MAX, reads = how & 7;

	c->out_count = c->part_count = 0;
	c->out_size = c->in_size = 0;
	if (how & 8) {
		/* As a driver makes it: the header alone, or with the segments behind it. */
		const uint32_t segments = input_byte(in) % 20 * (uint32_t)SEGMENT_SIZE;
		part_add(c, HEADER_AT, sizeof(struct virtio_blk_outhdr) + segments, false);
	}
	for (; reads; reads--) {
		const uint64_t at = place_pick(in);
		part_add(c, at, size_pick(in), false);
	}
	for (; writes; writes--) {
		const uint64_t at = place_pick(in);
		part_add(c, at, size_pick(in), true);
	}
	if (how & 8)
		part_add(c, KIB(2), 1, true);
}

static void require_data(const struct blk_request *r, const struct blk_spec *d)
{
	uint64_t sum = 0;

	require(r->len && range_ok(r->off, r->len, d->size), "data lie in the disk");
	require(!((r->off | r->len) & (d->logical - 1)), "data are whole blocks");
	require(r->op == BLK_READ || !d->readonly, "a read-only disk is not written");
	require(r->iov_count && r->iov_count <= COUNT(r->iov), "the vector has its parts");
	for (unsigned i = 0; i < r->iov_count; i++) {
		const uint8_t *at = r->iov[i].iov_base;
		const size_t end = r->op == BLK_READ ? ROM_OFF : RAM_SIZE;
		require(at >= ram && range_ok((size_t)(at - ram), r->iov[i].iov_len, end),
			"the kernel does I/O in RAM");
		sum += r->iov[i].iov_len;
	}
	require(sum == r->len, "memory and disk have the same size");
}

static void require_ranges(const struct blk_request *r, const struct blk_spec *d)
{
	require(!d->readonly, "a read-only disk is not discarded");
	require(r->range_count && r->range_count <= BLK_RANGES_MAX, "a request has its ranges");
	for (unsigned i = 0; i < r->range_count; i++) {
		const struct blk_range *g = &r->ranges[i];
		require(range_ok(g->off, g->len, d->size), "a range lies in the disk");
		require(!((g->off | g->len) & (d->logical - 1)), "a range has whole blocks");
		require(g->len <= (uint64_t)BLK_RANGE_SECTORS * BLK_SECTOR,
			"a range is no longer than was told");
		require(!g->unmap || r->op == BLK_ZEROES, "a discard has no flag");
	}
}

static void require_request(const struct blk_request *r, const struct blk_spec *d)
{
	switch (r->op) {
	case BLK_READ:
	case BLK_WRITE:
		require_data(r, d);
		break;
	case BLK_DISCARD:
	case BLK_ZEROES:
		require_ranges(r, d);
		break;
	case BLK_NOTHING:
		require(r->status <= VIRTIO_BLK_S_UNSUPP, "a status is one of the specification's");
		break;
	case BLK_FLUSH:
		break;
	default:
		require(false, "a request is one of those that there are");
	}
}

/* The parser writes a serial number, and nothing else, and that into the device's parts. */
static void require_memory(const struct virtq_chain *c)
{
	for (unsigned i = c->out_count; i < c->part_count; i++) {
		const uint64_t at = c->parts[i].gpa.v;
		if (at < ROM_OFF)
			memcpy(before + at, ram + at, min_u64(c->parts[i].size, ROM_OFF - at));
	}
	require(memcmp(before, ram, RAM_SIZE) == 0, "memory is written where the driver allows it");
}

/* What a request does to the image. Memory may change under a write by no one here. */
static void model_apply(const struct blk_request *r)
{
	uint64_t at = r->off;

	for (unsigned i = 0; r->op == BLK_WRITE && i < r->iov_count; i++) {
		memcpy(model + at, r->iov[i].iov_base, r->iov[i].iov_len);
		at += r->iov[i].iov_len;
	}
	for (unsigned i = 0; (r->op == BLK_DISCARD || r->op == BLK_ZEROES) && i < r->range_count;
		i++)
		memset(model + r->ranges[i].off, 0, r->ranges[i].len);
}

static void request_do(struct blk_request *r, const struct blk_spec *d)
{
	static uint8_t now[IMAGE_SIZE];
	struct stat st;

	if (d->size > IMAGE_SIZE || r->op == BLK_NOTHING)
		return;
	model_apply(r);
	blk_io(image, d, r);
	require(r->status == VIRTIO_BLK_S_OK, "an image takes what is in it");
	require(fstat(image, &st) == 0 && st.st_size == IMAGE_SIZE, "an image keeps its size");
	require(pread(image, now, sizeof(now), 0) == sizeof(now) &&
			memcmp(now, model, sizeof(now)) == 0,
		"the image has what was written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct blk_request r;
	static struct virtq_chain c;
	struct input in = {data, data + size};

	stage_make();
	const struct blk_spec d = disk_describe(&in);
	for (unsigned i = 0; in.at < in.end && i < REQUESTS_MAX; i++) {
		header_put(&in, &d);
		chain_make(&in, &c);
		memcpy(before, ram, RAM_SIZE);
		memset(&r, 0xa5, sizeof(r));
		const bool flushes = input_byte(&in) & 1;
		blk_request_parse(&queue, &c, &d, flushes, &r);
		require(r.durable == !flushes, "a driver that does not flush has durable writes");
		require_request(&r, &d);
		require_memory(&c);
		request_do(&r, &d);
	}
	return 0;
}
