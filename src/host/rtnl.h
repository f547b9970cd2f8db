/* SPDX-License-Identifier: MIT */
#ifndef HOST_RTNL_H
#define HOST_RTNL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Messages of rtnetlink: interfaces, network namespaces, and the settings of virtual functions that
 * the interface of their physical function keeps.
 * Ref: rtnetlink(7); linux/if_link.h, IFLA_VFINFO_LIST; net/core/rtnetlink.c rtnl_fill_vfinfo()
 * and do_setvfinfo().
 */
struct host_vf;

#define RTNL_REQUEST_MAX 256 /* [bytes] of the requests below */

/* Requests interface @ifindex and its virtual functions. @buf: RTNL_REQUEST_MAX bytes. */
void rtnl_ask_functions(void *buf, int ifindex);

/*
 * Calls @each for each virtual function in a message, up to the end or an invalid attribute.
 * Return: 0, what @each returned.
 */
int rtnl_each_function(
	const struct nlmsghdr *m, int (*each)(void *arg, const struct host_vf *vf), void *arg);

/* Requests all interfaces. @buf: RTNL_REQUEST_MAX bytes. */
void rtnl_ask_links(void *buf);

/*
 * Requests the interface of that name, or alternative name. @buf: RTNL_REQUEST_MAX bytes.
 * Return: false for a text that is no name.
 */
bool rtnl_ask_link(void *buf, const char *name);

/* One interface of the answer. */
struct rtnl_link {
	uint32_t index;
	char name[16];
	uint32_t lower; /* index of the interface below, or of its peer; 0: none */
	bool has_lower_netns; /* false: the lower one is in the same namespace */
	int32_t lower_netns; /* of the lower one: a number that this namespace has for it */
	bool has_xdp;
	uint32_t xdp_program;
	char parent[64]; /* the device's name on its bus ("0000:02:00.0", "virtio1"); "": none */
	uint8_t switch_len, switch_id[32]; /* of the switch that it is a port of */
};

/* Return: whether the message is an interface. */
bool rtnl_link_read(const struct nlmsghdr *m, struct rtnl_link *ret);

/* Requests the number of the network namespace of @fd. Ref: linux/net_namespace.h. */
void rtnl_ask_netns(void *buf, int fd);
/* Sets *@ret to the number, -1: none. Another message leaves it. */
void rtnl_netns_read(const struct nlmsghdr *m, int32_t *ret);

/* One setting of a virtual function. The kernel changes them one by one. */
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

const char *rtnl_setting_name(enum rtnl_setting s); /* as in ip-link(8) */
int rtnl_setting_equal(enum rtnl_setting s, const struct host_vf *a, const struct host_vf *b);
/* Requests a change of one setting to that of @vf. @buf: RTNL_REQUEST_MAX bytes. */
void rtnl_ask_setting(void *buf, int ifindex, enum rtnl_setting s, const struct host_vf *vf);

/*
 * Calls @each, unless it is NULL, for each message in a piece of an answer. @last: set if the piece
 * holds the end of the answer. Return: 0, what @each returned, the kernel's -errno, -EPROTO.
 */
int rtnl_hear(const void *data, size_t size, int (*each)(void *arg, const struct nlmsghdr *m),
	void *arg, bool *last);

/*
 * Sends a request, and calls @each, unless it is NULL, for each message of the answer.
 * Return: 0, what @each returned, the kernel's -errno, -errno.
 */
int rtnl_talk(const void *request, int (*each)(void *arg, const struct nlmsghdr *m), void *arg);

#endif
