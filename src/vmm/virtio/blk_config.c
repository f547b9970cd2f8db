/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/blk_config.h"

#include "base/endian.h"
#include "base/num.h"
#include "vmm/virtio/blk_request.h"

void blk_config_fill(struct virtio_blk_config *c, const struct blk_spec *s)
{
	const uint32_t step = s->logical / BLK_SECTOR;

	c->capacity = htole64(s->size / BLK_SECTOR);
	c->seg_max = htole32(BLK_SEGMENTS_MAX);
	c->blk_size = htole32(s->logical);
	c->physical_block_exp = (uint8_t)__builtin_ctz(s->physical / s->logical);
	c->min_io_size = htole16((uint16_t)min_u64(s->physical / s->logical, UINT16_MAX));
	c->num_queues = htole16((uint16_t)s->queues);
	if (s->readonly)
		return;
	c->max_discard_sectors = htole32(BLK_RANGE_SECTORS);
	c->max_discard_seg = htole32(BLK_RANGES_MAX);
	c->discard_sector_alignment = htole32((uint32_t)max_u64(s->physical / BLK_SECTOR, step));
	c->max_write_zeroes_sectors = htole32(BLK_RANGE_SECTORS);
	c->max_write_zeroes_seg = htole32(BLK_RANGES_MAX);
	c->write_zeroes_may_unmap = 1;
}
