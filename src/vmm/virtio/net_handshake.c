/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_handshake.h"

#include "base/num.h"

#include <netinet/in.h>
#include <string.h>

#define MAC 6 /* [bytes] */
#define TYPE_AT 12 /* [bytes] into a frame */
#define IP_AT 14
#define IPV4_PLAIN 0x45 /* version 4, a header of 20 bytes */
#define TCP_SIZE 20
#define TCP_FLAGS 13 /* [bytes] into TCP's header */
#define SYN_ACK 0x12
#define ACK 0x10
#define HOPS 64
/* [bytes] before passt tells its own; a first flight is not longer. */
#define WINDOW 8192

/* Where the parts of a version's header are, from its beginning. */
struct version {
	uint8_t type[2]; /* Ethernet's */
	uint32_t size;
	uint32_t protocol, length, hops; /* offsets */
	uint32_t source, address; /* the target follows; size */
};

static const struct version versions[] = {
	{{0x08, 0x00}, 20, 9, 2, 8, 12, 4},
	{{0x86, 0xdd}, 40, 6, 4, 7, 8, 16},
};

static void be16_put(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t be16_sum(uint32_t sum, const uint8_t *from, uint32_t size)
{
	for (uint32_t i = 0; i < size; i += 2)
		sum += (uint32_t)from[i] << 8 | from[i + 1];
	return sum;
}

/* Ref: RFC 1071 */
static uint32_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
}

static const struct version *version_find(const uint8_t *head)
{
	for (unsigned i = 0; i < COUNT(versions); i++) {
		const struct version *v = &versions[i];
		if (memcmp(head + TYPE_AT, v->type, sizeof(v->type)) == 0 &&
			head[IP_AT + v->protocol] == IPPROTO_TCP &&
			(v->size != 20 || head[IP_AT] == IPV4_PLAIN))
			return v;
	}
	return NULL;
}

/* Ports change places; the sequence number goes on from what the guest has acknowledged. */
static void tcp_answer(const uint8_t *tcp, uint8_t *to)
{
	const uint32_t next =
		((uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7]) +
		1;

	memcpy(to, tcp + 2, 2);
	memcpy(to + 2, tcp, 2);
	memcpy(to + 4, tcp + 8, 4);
	be16_put(to + 8, next >> 16);
	be16_put(to + 10, next);
	to[12] = TCP_SIZE / 4 << 4;
	to[TCP_FLAGS] = ACK;
	be16_put(to + 14, WINDOW);
}

static void ip_answer(const struct version *v, const uint8_t *ip, uint8_t *to)
{
	to[0] = v->size == 20 ? IPV4_PLAIN : 0x60;
	be16_put(to + v->length, v->size == 20 ? v->size + TCP_SIZE : TCP_SIZE);
	to[v->hops] = HOPS;
	to[v->protocol] = IPPROTO_TCP;
	memcpy(to + v->source, ip + v->source + v->address, v->address);
	memcpy(to + v->source + v->address, ip + v->source, v->address);
	if (v->size == 20)
		be16_put(to + 10, sum_fold(be16_sum(0, to, v->size)));
}

bool net_handshake_answer(const uint8_t *head, struct net_ack *ret)
{
	const struct version *v = version_find(head);

	if (!v || head[IP_AT + v->size + TCP_FLAGS] != SYN_ACK)
		return false;
	const uint8_t *ip = head + IP_AT;
	uint8_t *to = ret->bytes + IP_AT;
	*ret = (struct net_ack){.size = IP_AT + v->size + TCP_SIZE};
	memcpy(ret->bytes, head + MAC, MAC);
	memcpy(ret->bytes + MAC, head, MAC);
	memcpy(ret->bytes + TYPE_AT, v->type, sizeof(v->type));
	ip_answer(v, ip, to);
	tcp_answer(ip + v->size, to + v->size);
	/* The addresses, the protocol and the length are summed up with the header. */
	const uint32_t sum = be16_sum(IPPROTO_TCP + TCP_SIZE, to + v->source, 2 * v->address);
	be16_put(to + v->size + 16, sum_fold(be16_sum(sum, to + v->size, TCP_SIZE)));
	return true;
}
