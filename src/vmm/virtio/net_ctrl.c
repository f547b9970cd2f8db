/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_ctrl.h"

#include "base/endian.h"

#include <linux/virtio_net.h>

unsigned net_ctrl_parse(const struct virtq *q, const struct virtq_chain *c, unsigned most)
{
	uint8_t bytes[sizeof(struct virtio_net_ctrl_hdr) + sizeof(struct virtio_net_ctrl_mq)];

	if (c->out_size != sizeof(bytes) || virtq_read(q, c, 0, bytes, sizeof(bytes)) < 0)
		return 0;
	if (bytes[0] != VIRTIO_NET_CTRL_MQ || bytes[1] != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
		return 0;
	const unsigned pairs = le16_get(bytes + sizeof(struct virtio_net_ctrl_hdr));
	return pairs <= most ? pairs : 0;
}

void net_ctrl_answer(struct virtq *q, const struct virtq_chain *c, bool done)
{
	const virtio_net_ctrl_ack ack = done ? VIRTIO_NET_OK : VIRTIO_NET_ERR;

	virtq_return(q, c, virtq_write(q, c, 0, &ack, sizeof(ack)) < 0 ? 0 : sizeof(ack));
}
