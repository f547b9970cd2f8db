/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_VSOCK_PACKET_H
#define VMM_VIRTIO_VSOCK_PACKET_H

#include <stdint.h>

struct virtq;
struct virtq_chain;

/*
 * The header of a packet of virtio-vsock; a payload may follow. Ref: virtio 1.2, 5.10.6.
 */
#define VSOCK_HEADER 44 /* [bytes] */
#define VSOCK_CID_HOST 2

enum vsock_op {
	VSOCK_OP_REQUEST = 1, /* of a connection; RESPONSE or RESET answers it */
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RESET = 3,
	VSOCK_OP_SHUTDOWN = 4, /* @flags: what does not follow any more */
	VSOCK_OP_BYTES = 5,
	VSOCK_OP_CREDIT = 6, /* nothing but @room and @taken, which each packet has */
	VSOCK_OP_ASK_CREDIT = 7,
};

enum vsock_shutdown {
	VSOCK_NO_RECEIVE = 1, /* its sender takes no more bytes */
	VSOCK_NO_SEND = 2, /* its sender sends no more bytes */
};

#define VSOCK_TYPE_STREAM 1

struct vsock_packet {
	uint64_t source_cid, target_cid;
	uint32_t source_port, target_port;
	uint32_t size; /* [bytes] of the payload */
	uint16_t type; /* VSOCK_TYPE_… */
	uint16_t op; /* enum vsock_op */
	uint32_t flags; /* enum vsock_shutdown */
	uint32_t room; /* [bytes] that its sender keeps for the connection */
	uint32_t taken; /* [bytes] that left that room since the start, modulo 2^32 */
};

/*
 * Reads the header of what the driver sends. Return: 0; -EPROTO there is none, or the chain ends
 * before the payload does; -EFAULT.
 */
int vsock_packet_read(const struct virtq *q, const struct virtq_chain *c, struct vsock_packet *ret);

/* Return: 0; -ERANGE the chain has no room for it; -EFAULT. */
int vsock_packet_write(
	const struct virtq *q, const struct virtq_chain *c, const struct vsock_packet *p);

#endif
