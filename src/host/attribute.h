/* SPDX-License-Identifier: MIT */
#ifndef HOST_ATTRIBUTE_H
#define HOST_ATTRIBUTE_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Walks the attributes of a netlink message. The macros of linux/rtnetlink.h lose the const, and
 * run on behind the end at an invalid length.
 */
static inline const void *attribute_data(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

static inline uint16_t attribute_type(const struct rtattr *a)
{
	return a->rta_type & NLA_TYPE_MASK;
}

/* Return: NULL at the end, or at an invalid one. */
static inline const struct rtattr *attribute_first(const void *data, size_t size, size_t *left)
{
	*left = size;
	return RTA_OK((const struct rtattr *)data, size) ? data : NULL;
}

static inline const struct rtattr *attribute_next(const struct rtattr *a, size_t *left)
{
	size_t n = RTA_ALIGN(a->rta_len);

	if (n >= *left)
		return NULL;
	*left -= n;
	a = (const void *)((const uint8_t *)a + n);
	return RTA_OK(a, *left) ? a : NULL;
}

/* The first attribute inside of @list. */
static inline const struct rtattr *attribute_inside(const struct rtattr *list, size_t *left)
{
	return attribute_first(attribute_data(list), RTA_PAYLOAD(list), left);
}

/* The first attribute of a message behind a head of @head bytes. */
static inline const struct rtattr *attribute_of_message(
	const struct nlmsghdr *m, size_t head, size_t *left)
{
	const size_t start = NLMSG_ALIGN(NLMSG_LENGTH(head));

	*left = 0;
	return m->nlmsg_len < start
		       ? NULL
		       : attribute_first((const uint8_t *)m + start, m->nlmsg_len - start, left);
}

/* Copies as many bytes as both have: the kernel's struct may be a longer, newer one. */
static inline void attribute_copy(const struct rtattr *a, void *ret, size_t size)
{
	size_t n = RTA_PAYLOAD(a);

	memcpy(ret, attribute_data(a), n < size ? n : size);
}

/* Copies a text, cut off at @size; it ends with a NUL. */
static inline void attribute_text(const struct rtattr *a, char *ret, size_t size)
{
	memset(ret, 0, size);
	attribute_copy(a, ret, size - 1);
}

#endif
