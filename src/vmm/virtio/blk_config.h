/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_BLK_CONFIG_H
#define VMM_VIRTIO_BLK_CONFIG_H

#include "vmm/virtio/blk.h"

#include <linux/virtio_blk.h>

/* What the driver reads of a disk. All little-endian. Ref: virtio 1.2, 5.2.4 */
void blk_config_fill(struct virtio_blk_config *c, const struct blk_spec *s);

#endif
