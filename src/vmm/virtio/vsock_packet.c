/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock_packet.h"

#include "base/endian.h"
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <stddef.h>

#define FIELD(name) offsetof(struct virtio_vsock_hdr, name)

_Static_assert(sizeof(struct virtio_vsock_hdr) == VSOCK_HEADER, "virtio 1.2, 5.10.6");

int vsock_packet_read(const struct virtq *q, const struct virtq_chain *c, struct vsock_packet *ret)
{
	uint8_t bytes[VSOCK_HEADER];

	int r = virtq_read(q, c, 0, bytes, sizeof(bytes));
	if (r < 0)
		return r == -ERANGE ? -EPROTO : r;
	*ret = (struct vsock_packet){.source_cid = le64_get(bytes + FIELD(src_cid)),
		.target_cid = le64_get(bytes + FIELD(dst_cid)),
		.source_port = le32_get(bytes + FIELD(src_port)),
		.target_port = le32_get(bytes + FIELD(dst_port)),
		.size = le32_get(bytes + FIELD(len)),
		.type = le16_get(bytes + FIELD(type)),
		.op = le16_get(bytes + FIELD(op)),
		.flags = le32_get(bytes + FIELD(flags)),
		.room = le32_get(bytes + FIELD(buf_alloc)),
		.taken = le32_get(bytes + FIELD(fwd_cnt))};
	return ret->size > c->out_size - VSOCK_HEADER ? -EPROTO : 0;
}

int vsock_packet_write(
	const struct virtq *q, const struct virtq_chain *c, const struct vsock_packet *p)
{
	uint8_t bytes[VSOCK_HEADER];

	le64_put(bytes + FIELD(src_cid), p->source_cid);
	le64_put(bytes + FIELD(dst_cid), p->target_cid);
	le32_put(bytes + FIELD(src_port), p->source_port);
	le32_put(bytes + FIELD(dst_port), p->target_port);
	le32_put(bytes + FIELD(len), p->size);
	le16_put(bytes + FIELD(type), p->type);
	le16_put(bytes + FIELD(op), p->op);
	le32_put(bytes + FIELD(flags), p->flags);
	le32_put(bytes + FIELD(buf_alloc), p->room);
	le32_put(bytes + FIELD(fwd_cnt), p->taken);
	return virtq_write(q, c, 0, bytes, sizeof(bytes));
}
