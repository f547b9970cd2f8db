/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_HEADER_H
#define VMM_VIRTIO_NET_HEADER_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The header before each frame, by which one side leaves checksums and segmentation to the other.
 * The host's kernel acts upon the driver's, so nothing passes that was not agreed upon, and no
 * offset lies behind the frame. Ref: virtio 1.2, 5.1.6.
 *
 * @accepted: the features that the driver has accepted.
 */

/*
 * Checks the header that the driver put before a frame of @size bytes, and clears what only the
 * other direction knows. Return: NULL, or why the frame is not sent.
 */
const char *net_header_fault(uint64_t accepted, struct virtio_net_hdr_v1 *h, uint32_t size);

/* Whether the driver can take a frame with this header of the host's kernel. */
bool net_header_is_wanted(uint64_t accepted, const struct virtio_net_hdr_v1 *h);

/* What the kernel may leave undone in frames for the driver, as TUN_F_…. */
unsigned net_header_offloads(uint64_t accepted);

#endif
