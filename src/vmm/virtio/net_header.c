/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_header.h"

#include "base/bits.h"
#include "base/endian.h"

#include <linux/if_tun.h>
#include <stddef.h>

static bool has_accepted(uint64_t accepted, unsigned bit)
{
	return accepted & BIT64(bit);
}

/* Whether a frame of kind @gso may go the way of which @v4 and @v6 are the features. */
static bool segments_are_agreed(uint64_t accepted, unsigned gso, unsigned v4, unsigned v6)
{
	return gso == VIRTIO_NET_HDR_GSO_NONE ||
	       (gso == VIRTIO_NET_HDR_GSO_TCPV4 && has_accepted(accepted, v4)) ||
	       (gso == VIRTIO_NET_HDR_GSO_TCPV6 && has_accepted(accepted, v6));
}

const char *net_header_fault(uint64_t accepted, struct virtio_net_hdr_v1 *h, uint32_t size)
{
	const uint32_t sum = (uint32_t)le16toh(h->csum_start) + le16toh(h->csum_offset);

	/* Ref: virtio 1.2, 5.1.6.2.1: flags that the device does not know are not seen. */
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->num_buffers = 0;
	if (h->flags && !has_accepted(accepted, VIRTIO_NET_F_CSUM))
		return "asks for a checksum, which was not agreed upon";
	if (h->flags && sum + 2 > size)
		return "has its checksum behind its end";
	if (!segments_are_agreed(
		    accepted, h->gso_type, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6))
		return "is to be cut up in a way that was not agreed upon";
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return NULL;
	if (!h->flags || !le16toh(h->gso_size) || le16toh(h->hdr_len) > size)
		return "is to be cut up into parts that cannot be";
	return NULL;
}

bool net_header_is_wanted(uint64_t accepted, const struct virtio_net_hdr_v1 *h)
{
	if (h->flags && !has_accepted(accepted, VIRTIO_NET_F_GUEST_CSUM))
		return false;
	return segments_are_agreed(
		accepted, h->gso_type, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6);
}

/* Ref: virtio 1.2, 5.1.3.1: segmentation needs checksums. */
unsigned net_header_offloads(uint64_t accepted)
{
	if (!has_accepted(accepted, VIRTIO_NET_F_GUEST_CSUM))
		return 0;
	return (unsigned)TUN_F_CSUM |
	       (has_accepted(accepted, VIRTIO_NET_F_GUEST_TSO4) ? (unsigned)TUN_F_TSO4 : 0U) |
	       (has_accepted(accepted, VIRTIO_NET_F_GUEST_TSO6) ? (unsigned)TUN_F_TSO6 : 0U);
}
