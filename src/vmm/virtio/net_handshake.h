/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_HANDSHAKE_H
#define VMM_VIRTIO_NET_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The last step of TCP's handshake, which the passt of 2023 leaves out.
 *
 * When a client connects to a forwarded port, passt sends SYN to the guest, and gets SYN,ACK. It
 * sends no ACK for that until the client has sent data, so a guest's server that is to speak first
 * waits for ever. All that the ACK has follows from SYN,ACK, so this makes it. A guest that gets
 * two takes the second one for nothing new.
 */
#define NET_HANDSHAKE_HEAD 74 /* [bytes] what it looks at: Ethernet, IPv6, TCP without options */

struct net_ack {
	uint8_t bytes[NET_HANDSHAKE_HEAD];
	uint32_t size; /* [bytes] of it */
};

/*
 * @head: the beginning of a frame, NET_HANDSHAKE_HEAD bytes; what the frame does not have is zero.
 * Return: whether it is a SYN,ACK; then @ret answers it.
 */
bool net_handshake_answer(const uint8_t *head, struct net_ack *ret);

#endif
