/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk_request.h"

#include "base/endian.h"
#include "base/num.h"

#include <linux/virtio_blk.h>
#include <string.h>

#define HEADER_SIZE sizeof(struct virtio_blk_outhdr)
#define STATUS_SIZE 1

static void request_answer(struct blk_request *r, uint8_t status)
{
	r->op = BLK_NOTHING;
	r->status = status;
}

/* Whether @count sectors from @sector on lie in the disk, in whole blocks of it. */
static bool sectors_find(
	const struct blk_spec *d, uint64_t sector, uint64_t count, uint64_t *off, uint64_t *len)
{
	if (!range_ok(sector, count, d->size / BLK_SECTOR))
		return false;
	*off = sector * BLK_SECTOR;
	*len = count * BLK_SECTOR;
	return !((*off | *len) & (d->logical - 1));
}

static void data_parse(const struct virtq *q, const struct virtq_chain *c, const struct blk_spec *d,
	uint64_t sector, bool in, struct blk_request *ret)
{
	const uint64_t size = in ? c->in_size - STATUS_SIZE : c->out_size - HEADER_SIZE;

	ret->op = in ? BLK_READ : BLK_WRITE;
	if (size % BLK_SECTOR || size > BLK_DATA_MAX || (!in && d->readonly) ||
		!sectors_find(d, sector, size / BLK_SECTOR, &ret->off, &ret->len)) {
		request_answer(ret, VIRTIO_BLK_S_IOERR);
		return;
	}
	int count = virtq_iov(
		q, c, in, in ? 0 : HEADER_SIZE, size, ret->iov, (unsigned)COUNT(ret->iov));
	if (count < 0)
		request_answer(ret, VIRTIO_BLK_S_IOERR);
	else if (!count)
		request_answer(ret, VIRTIO_BLK_S_OK);
	ret->iov_count = count < 0 ? 0 : (unsigned)count;
}

/* Ref: virtio 1.2, 5.2.6.2: a flag that is not known, or a hole for a discard, is unsupported. */
static uint8_t range_parse(const struct blk_spec *d, enum blk_op op,
	const struct virtio_blk_discard_write_zeroes *s, struct blk_range *ret)
{
	const uint32_t flags = le32toh(s->flags), count = le32toh(s->num_sectors);
	const uint32_t known = op == BLK_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	ret->unmap = flags;
	if (count > BLK_RANGE_SECTORS ||
		!sectors_find(d, le64toh(s->sector), count, &ret->off, &ret->len))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static void ranges_parse(const struct virtq *q, const struct virtq_chain *c,
	const struct blk_spec *d, enum blk_op op, struct blk_request *ret)
{
	struct virtio_blk_discard_write_zeroes s[BLK_RANGES_MAX];
	const uint64_t size = c->out_size - HEADER_SIZE;
	uint8_t status = VIRTIO_BLK_S_OK;

	if (d->readonly || !size || size % sizeof(s[0]) || size > sizeof(s) ||
		virtq_read(q, c, HEADER_SIZE, s, size) < 0) {
		request_answer(ret, VIRTIO_BLK_S_IOERR);
		return;
	}
	ret->op = op;
	ret->range_count = (unsigned)(size / sizeof(s[0]));
	for (unsigned i = 0; i < ret->range_count && status == VIRTIO_BLK_S_OK; i++)
		status = range_parse(d, op, &s[i], &ret->ranges[i]);
	if (status != VIRTIO_BLK_S_OK)
		request_answer(ret, status);
}

/* Ref: virtio 1.2, 5.2.6.1: 20 bytes, and a NUL only if it is shorter. */
static void id_answer(const struct virtq *q, const struct virtq_chain *c, const struct blk_spec *d,
	struct blk_request *ret)
{
	const uint64_t size = min_u64(c->in_size - STATUS_SIZE, sizeof(d->serial));
	int r = virtq_write(q, c, 0, d->serial, size);

	request_answer(ret, (uint8_t)(r < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK));
}

void blk_request_parse(const struct virtq *q, const struct virtq_chain *c,
	const struct blk_spec *disk, bool flushes, struct blk_request *ret)
{
	struct virtio_blk_outhdr h;

	ret->range_count = ret->iov_count = 0;
	ret->off = ret->len = 0;
	ret->status = VIRTIO_BLK_S_OK;
	ret->durable = !flushes;
	ret->has_status = c->in_size && virtq_find(c, c->in_size - 1, &ret->status_at) == 0;
	if (c->in_size < STATUS_SIZE || virtq_read(q, c, 0, &h, sizeof(h)) < 0) {
		request_answer(ret, VIRTIO_BLK_S_IOERR);
		return;
	}
	switch (le32toh(h.type)) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		data_parse(q, c, disk, le64toh(h.sector), le32toh(h.type) == VIRTIO_BLK_T_IN, ret);
		break;
	case VIRTIO_BLK_T_FLUSH:
		ret->op = BLK_FLUSH;
		break;
	case VIRTIO_BLK_T_GET_ID:
		id_answer(q, c, disk, ret);
		break;
	case VIRTIO_BLK_T_DISCARD:
		ranges_parse(q, c, disk, BLK_DISCARD, ret);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		ranges_parse(q, c, disk, BLK_ZEROES, ret);
		break;
	default:
		request_answer(ret, VIRTIO_BLK_S_UNSUPP);
		break;
	}
}
