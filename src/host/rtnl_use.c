/* SPDX-License-Identifier: MIT */
#include "host/rtnl_use.h"

#include "host/attribute.h"

#include <linux/fib_rules.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <sys/socket.h>

/* A request for a list: a head of its own, and attributes. */
struct request {
	struct nlmsghdr head;
	uint8_t rest[RTNL_REQUEST_MAX - sizeof(struct nlmsghdr)];
};

_Static_assert(sizeof(struct request) == RTNL_REQUEST_MAX, "callers give this much room");

static void begin_list(struct request *q, uint16_t type, const void *head, size_t size)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(q->rest, head, size);
}

void rtnl_ask_qdiscs(void *buf)
{
	const struct tcmsg head = {.tcm_family = AF_UNSPEC};
	struct request q;

	begin_list(&q, RTM_GETQDISC, &head, sizeof(head));
	memcpy(buf, &q, sizeof(q));
}

void rtnl_ask_filters(void *buf, uint32_t interface, uint32_t parent)
{
	const struct tcmsg head = {.tcm_ifindex = (int)interface, .tcm_parent = parent};
	struct request q;

	begin_list(&q, RTM_GETTFILTER, &head, sizeof(head));
	memcpy(buf, &q, sizeof(q));
}

void rtnl_ask_mirred(void *buf)
{
	static const char kind[] = "mirred";
	const struct tcamsg head = {.tca_family = AF_UNSPEC};
	const struct rtattr name = {RTA_LENGTH(sizeof(kind)), TCA_ACT_KIND};
	const struct rtattr first = {
		(uint16_t)RTA_LENGTH(RTA_SPACE(sizeof(kind))), 1 /* the first action */};
	const struct rtattr table = {(uint16_t)RTA_LENGTH(RTA_ALIGN(first.rta_len)), TCA_ROOT_TAB};
	struct request q;

	begin_list(&q, RTM_GETACTION, &head, sizeof(head));
	uint8_t *at = q.rest + NLMSG_ALIGN(sizeof(head));
	memcpy(at, &table, sizeof(table));
	memcpy(at + sizeof(table), &first, sizeof(first));
	memcpy(at + sizeof(table) + sizeof(first), &name, sizeof(name));
	memcpy(at + sizeof(table) + sizeof(first) + sizeof(name), kind, sizeof(kind));
	q.head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q.head.nlmsg_len) + RTA_ALIGN(table.rta_len));
	memcpy(buf, &q, sizeof(q));
}

void rtnl_ask_routes(void *buf)
{
	const struct rtmsg head = {.rtm_family = AF_INET};
	struct request q;

	begin_list(&q, RTM_GETROUTE, &head, sizeof(head));
	memcpy(buf, &q, sizeof(q));
}

void rtnl_ask_way(void *buf, int family, const uint8_t *to)
{
	const size_t size = family == AF_INET ? 4 : 16;
	const struct rtmsg head = {
		.rtm_family = (uint8_t)family, .rtm_dst_len = (uint8_t)(8 * size)};
	const struct rtattr name = {(uint16_t)RTA_LENGTH(size), RTA_DST};
	struct request q;

	begin_list(&q, RTM_GETROUTE, &head, sizeof(head));
	q.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	uint8_t *at = q.rest + NLMSG_ALIGN(sizeof(head));
	memcpy(at, &name, sizeof(name));
	memcpy(at + sizeof(name), to, size);
	q.head.nlmsg_len = (uint32_t)(NLMSG_SPACE(sizeof(head)) + name.rta_len);
	memcpy(buf, &q, sizeof(q));
}

void rtnl_ask_rules(void *buf)
{
	const struct fib_rule_hdr head = {.family = AF_UNSPEC};
	struct request q;

	begin_list(&q, RTM_GETRULE, &head, sizeof(head));
	memcpy(buf, &q, sizeof(q));
}

/* Copies the head behind that of the message. Return: whether it is there. */
static bool head_read(const struct nlmsghdr *m, void *ret, size_t size)
{
	if (m->nlmsg_len < NLMSG_LENGTH(size))
		return false;
	memcpy(ret, (const uint8_t *)m + NLMSG_HDRLEN, size);
	return true;
}

bool rtnl_tc_read(const struct nlmsghdr *m, struct rtnl_tc *ret)
{
	struct tcmsg head;
	size_t left;

	if ((m->nlmsg_type != RTM_NEWQDISC && m->nlmsg_type != RTM_NEWTFILTER) ||
		!head_read(m, &head, sizeof(head)))
		return false;
	*ret = (struct rtnl_tc){.interface = (uint32_t)head.tcm_ifindex, .handle = head.tcm_handle};
	const struct rtattr *a = attribute_of_message(m, sizeof(head), &left);
	for (; a; a = attribute_next(a, &left))
		if (attribute_type(a) == TCA_KIND)
			attribute_text(a, ret->kind, sizeof(ret->kind));
	return true;
}

/* The interface that an action sends to; 0: none. */
static uint32_t action_target(const struct rtattr *action)
{
	struct tc_mirred mirred = {0};
	size_t left, inner;

	for (const struct rtattr *a = attribute_inside(action, &left); a;
		a = attribute_next(a, &left)) {
		if (attribute_type(a) != TCA_ACT_OPTIONS)
			continue;
		const struct rtattr *o = attribute_inside(a, &inner);
		for (; o; o = attribute_next(o, &inner))
			if (attribute_type(o) == TCA_MIRRED_PARMS)
				attribute_copy(o, &mirred, sizeof(mirred));
	}
	return mirred.ifindex;
}

int rtnl_each_target(
	const struct nlmsghdr *m, int (*each)(void *arg, uint32_t interface), void *arg)
{
	size_t left, inner;
	int r = 0;

	if (m->nlmsg_type != RTM_GETACTION && m->nlmsg_type != RTM_NEWACTION)
		return 0;
	const struct rtattr *a = attribute_of_message(m, sizeof(struct tcamsg), &left);
	for (; a && r == 0; a = attribute_next(a, &left)) {
		if (attribute_type(a) != TCA_ROOT_TAB)
			continue;
		const struct rtattr *action = attribute_inside(a, &inner);
		for (; action && r == 0; action = attribute_next(action, &inner)) {
			uint32_t interface = action_target(action);
			r = interface ? each(arg, interface) : 0;
		}
	}
	return r;
}

/* The interfaces of a route with several: struct rtnexthop, each with attributes of its own. */
static int each_nexthop(const struct rtattr *list, struct rtnl_route *route,
	int (*each)(void *arg, const struct rtnl_route *route, uint32_t interface), void *arg)
{
	const uint8_t *at = attribute_data(list);
	size_t left = RTA_PAYLOAD(list);
	int r = 0;

	while (r == 0 && left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;

		memcpy(&hop, at, sizeof(hop));
		size_t size = RTNH_ALIGN(hop.rtnh_len);
		if (hop.rtnh_len < sizeof(hop) || size > left)
			return r;
		r = each(arg, route, (uint32_t)hop.rtnh_ifindex);
		route->is_further = true;
		at += size;
		left -= size;
	}
	return r;
}

int rtnl_each_hop(const struct nlmsghdr *m,
	int (*each)(void *arg, const struct rtnl_route *route, uint32_t interface), void *arg)
{
	const struct rtattr *hops = NULL;
	struct rtnl_route route = {0};
	uint32_t interface = 0;
	struct rtmsg head;
	size_t left;

	if (m->nlmsg_type != RTM_NEWROUTE || !head_read(m, &head, sizeof(head)) ||
		head.rtm_type != RTN_UNICAST)
		return 0;
	route.table = head.rtm_table;
	route.prefix = head.rtm_dst_len;
	const struct rtattr *a = attribute_of_message(m, sizeof(head), &left);
	for (; a; a = attribute_next(a, &left)) {
		if (attribute_type(a) == RTA_TABLE)
			attribute_copy(a, &route.table, sizeof(route.table));
		else if (attribute_type(a) == RTA_DST)
			attribute_copy(a, route.to, sizeof(route.to));
		else if (attribute_type(a) == RTA_OIF)
			attribute_copy(a, &interface, sizeof(interface));
		else if (attribute_type(a) == RTA_MULTIPATH)
			hops = a;
	}
	int r = interface ? each(arg, &route, interface) : 0;
	return r == 0 && hops ? each_nexthop(hops, &route, each, arg) : r;
}

bool rtnl_rule_read(const struct nlmsghdr *m, struct rtnl_rule *ret)
{
	struct fib_rule_hdr head;
	size_t left;

	if (m->nlmsg_type != RTM_NEWRULE || !head_read(m, &head, sizeof(head)))
		return false;
	*ret = (struct rtnl_rule){0};
	const struct rtattr *a = attribute_of_message(m, sizeof(head), &left);
	for (; a; a = attribute_next(a, &left)) {
		if (attribute_type(a) == FRA_PRIORITY)
			attribute_copy(a, &ret->priority, sizeof(ret->priority));
		else if (attribute_type(a) == FRA_IIFNAME)
			attribute_text(a, ret->in, sizeof(ret->in));
		else if (attribute_type(a) == FRA_OIFNAME)
			attribute_text(a, ret->out, sizeof(ret->out));
	}
	return ret->in[0] || ret->out[0];
}
