/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_HOST_NETLINK_H
#define TEST_UNIT_HOST_NETLINK_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A message of rtnetlink as the kernel makes it, put together by hand. */
static uint8_t message[2048] __attribute__((aligned(8)));
static size_t size;

static inline size_t open_attribute(uint16_t type)
{
	const struct rtattr a = {RTA_LENGTH(0), type};
	size_t at = size;

	memcpy(message + size, &a, sizeof(a));
	size += sizeof(a);
	return at;
}

static inline void close_attribute(size_t at)
{
	const uint16_t len = (uint16_t)(size - at);

	memcpy(message + at, &len, sizeof(len));
	size = RTA_ALIGN(size);
}

static inline void add_attribute(uint16_t type, const void *data, size_t n)
{
	size_t at = open_attribute(type);

	memcpy(message + size, data, n);
	size += n;
	close_attribute(at);
}

/* Begins a message with @head, its fixed part; end_message() gives it a type. */
static inline void begin_message(const void *head, size_t n)
{
	memset(message, 0, sizeof(message));
	memcpy(message + NLMSG_HDRLEN, head, n);
	size = NLMSG_ALIGN(NLMSG_HDRLEN + n);
}

static inline struct nlmsghdr *end_message(uint16_t type)
{
	struct nlmsghdr *m = (void *)message;

	m->nlmsg_len = (uint32_t)size;
	m->nlmsg_type = type;
	return m;
}

#endif
