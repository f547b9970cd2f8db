/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/net_filter.h"

#include <string.h>

#define TYPE_AT 12 /* [bytes] into a frame */
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define IPV4_SOURCE 26
#define IPV4_TARGET 30
#define IPV4_END 34
#define IPV6_SOURCE 22
#define IPV6_TARGET 38
#define IPV6_END 54
#define IPV6_ADDRESS 16

/* Who has no address yet sends from 0.0.0.0. The kernel takes that for itself as a target. */
static bool ipv4_passes(const uint8_t *frame)
{
	return frame[IPV4_SOURCE] != 127 && frame[IPV4_TARGET] != 127 && frame[IPV4_TARGET] != 0;
}

/* ::, ::1, and ::ffff:127.0.0.1 with all other addresses of IPv4, have these zeros. */
static bool ipv6_is_local(const uint8_t *address)
{
	static const uint8_t zeros[10];

	return memcmp(address, zeros, sizeof(zeros)) == 0;
}

static bool ipv6_passes(const uint8_t *frame)
{
	static const uint8_t nobody[IPV6_ADDRESS];
	const uint8_t *source = frame + IPV6_SOURCE;

	if (ipv6_is_local(source) && memcmp(source, nobody, sizeof(nobody)) != 0)
		return false;
	return !ipv6_is_local(frame + IPV6_TARGET);
}

bool net_filter_passes(const uint8_t *head, size_t size)
{
	const unsigned type =
		size < TYPE_AT + 2 ? 0U : (unsigned)head[TYPE_AT] << 8 | head[TYPE_AT + 1];

	if (type == TYPE_IPV4)
		return size >= IPV4_END && ipv4_passes(head);
	if (type == TYPE_IPV6)
		return size >= IPV6_END && ipv6_passes(head);
	return true;
}
