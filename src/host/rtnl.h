/* SPDX-License-Identifier: MIT */
#ifndef HOST_RTNL_H
#define HOST_RTNL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the interface of a physical function keeps for its virtual ones, as rtnetlink's messages.
 * Ref: rtnetlink(7); linux/if_link.h, IFLA_VFINFO_LIST; net/core/rtnetlink.c rtnl_fill_vfinfo()
 * and do_setvfinfo().
 */
struct host_vf;

#define RTNL_REQUEST_MAX 256 /* [bytes] of the requests below */

/* "Tell all of interface @ifindex, its virtual functions too." @buf: RTNL_REQUEST_MAX. */
void rtnl_ask_functions(void *buf, int ifindex);

/*
 * Calls @each for every virtual function that an answer tells of; what is cut off or makes no
 * sense ends it. Return: 0, what @each returned.
 */
int rtnl_each_function(
	const struct nlmsghdr *m, int (*each)(void *arg, const struct host_vf *vf), void *arg);

/* "Tell all interfaces." @buf: RTNL_REQUEST_MAX. */
void rtnl_ask_links(void *buf);

/* One interface of such an answer. */
struct rtnl_link {
	char name[16];
	uint32_t lower; /* index of the interface that it stands on, or its peer's; 0: none */
	bool has_lower_netns; /* false: the lower one is in the same namespace */
	int32_t lower_netns; /* number of the lower one's namespace, as the asked one counts */
};

/* Return: whether the message is an interface. */
bool rtnl_link_read(const struct nlmsghdr *m, struct rtnl_link *ret);

/* "Which number has the network namespace that @fd is of?" Ref: linux/net_namespace.h. */
void rtnl_ask_netns(void *buf, int fd);
/* *@ret is left as it is by another message; -1: it has none. */
void rtnl_netns_read(const struct nlmsghdr *m, int32_t *ret);

/* One setting of a virtual function; the kernel takes them one by one. */
enum rtnl_setting {
	RTNL_MAC,
	RTNL_VLAN,
	RTNL_RATE,
	RTNL_SPOOFCHK,
	RTNL_LINK_STATE,
	RTNL_RSS_QUERY,
	RTNL_TRUST,
	RTNL_SETTINGS, /* how many there are */
};

const char *rtnl_setting_name(enum rtnl_setting s); /* as ip-link(8) has it */
int rtnl_setting_equal(enum rtnl_setting s, const struct host_vf *a, const struct host_vf *b);
/* "Let that setting be as in @vf." @buf: RTNL_REQUEST_MAX. */
void rtnl_ask_setting(void *buf, int ifindex, enum rtnl_setting s, const struct host_vf *vf);

/*
 * Hands each message of a piece of an answer to @each, which may be NULL. @last: whether the
 * kernel's last word was among them. Return: 0, what @each returned, the kernel's -errno, -EPROTO.
 */
int rtnl_hear(const void *data, size_t size, int (*each)(void *arg, const struct nlmsghdr *m),
	void *arg, bool *last);

/*
 * Sends a request, and hands every message of the answer to @each until the kernel's last word.
 * @each: NULL when only that counts. Return: 0, what @each returned, the kernel's -errno, -errno.
 */
int rtnl_talk(const void *request, int (*each)(void *arg, const struct nlmsghdr *m), void *arg);

#endif
