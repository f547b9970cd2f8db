/* SPDX-License-Identifier: MIT */
#ifndef HOST_RTNL_USE_H
#define HOST_RTNL_USE_H

#include "host/rtnl.h"

/*
 * Messages of rtnetlink that show what uses an interface besides its addresses: filters and
 * redirections of tc, routes, rules.
 * Ref: linux/rtnetlink.h, linux/fib_rules.h, linux/tc_act/tc_mirred.h.
 */

/* Requests all queueing disciplines; all filters below one; all actions `mirred`. */
void rtnl_ask_qdiscs(void *buf);
void rtnl_ask_filters(void *buf, uint32_t interface, uint32_t parent);
void rtnl_ask_mirred(void *buf);
/* Requests all IPv4 routes of all tables; all rules. /proc/net/ipv6_route has all tables. */
void rtnl_ask_routes(void *buf);
void rtnl_ask_rules(void *buf);
/* Requests the one route that the kernel takes to an address. @to: 4 or 16 bytes by @family. */
void rtnl_ask_way(void *buf, int family, const uint8_t *to);

/* A queueing discipline or a filter. */
struct rtnl_tc {
	uint32_t interface;
	uint32_t handle;
	char kind[16]; /* "clsact", "u32" */
};

bool rtnl_tc_read(const struct nlmsghdr *m, struct rtnl_tc *ret);

/* Calls @each for the interface that each action in a message sends to. */
int rtnl_each_target(
	const struct nlmsghdr *m, int (*each)(void *arg, uint32_t interface), void *arg);

/* A unicast route. */
struct rtnl_route {
	uint32_t table;
	uint8_t to[4], prefix;
	bool is_further; /* it has more hops, and this is not the first */
};

/*
 * Calls @each for each interface that a route leads to; none for other kinds of routes.
 * Return: 0, what @each returned.
 */
int rtnl_each_hop(const struct nlmsghdr *m,
	int (*each)(void *arg, const struct rtnl_route *route, uint32_t interface), void *arg);

/* A rule that names interfaces; "" for none. */
struct rtnl_rule {
	uint32_t priority;
	char in[16], out[16];
};

bool rtnl_rule_read(const struct nlmsghdr *m, struct rtnl_rule *ret);

#endif
