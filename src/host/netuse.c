/* SPDX-License-Identifier: MIT */
#include "host/netuse.h"

#include "base/num.h"
#include "host/rtnl.h"
#include "host/rtnl_use.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The links of a namespace, and its queueing disciplines that have filters. */
struct space_links {
	size_t count;
	struct rtnl_link *list;
	size_t qdisc_count;
	uint32_t qdiscs[256]; /* indices of interfaces that have `ingress` or `clsact` */
};

static int links_add(void *arg, const struct nlmsghdr *m)
{
	struct space_links *s = arg;
	struct rtnl_link link;

	if (!rtnl_link_read(m, &link))
		return 0;
	struct rtnl_link *list = reallocarray(s->list, s->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	list[s->count++] = link;
	return 0;
}

static int links_read(struct space_links *ret)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));

	rtnl_ask_links(request);
	return rtnl_talk(request, links_add, ret);
}

static int use_report(const struct netuse_report *r, enum host_net_use_kind kind, uint32_t lower,
	const char *name, const char *detail)
{
	struct netuse u = {.kind = kind, .lower = lower};

	(void)snprintf(u.name, sizeof(u.name), "%s", name);
	(void)snprintf(u.detail, sizeof(u.detail), "%s", detail);
	return r->each(r->arg, &u);
}

/* Whether two interfaces are ports of one switch in a network card. */
static bool is_same_switch(const struct rtnl_link *a, const struct rtnl_link *b)
{
	return a->switch_len && a->switch_len == b->switch_len &&
	       memcmp(a->switch_id, b->switch_id, a->switch_len) == 0;
}

/* Representors that some drivers make without a device: their card's own port has one. */
static int report_representors(
	const struct space_links *s, const struct rtnl_link *port, const struct netuse_report *r)
{
	int x = 0;

	for (size_t i = 0; port->parent[0] && x == 0 && i < s->count; i++)
		if (!s->list[i].parent[0] && is_same_switch(&s->list[i], port))
			x = use_report(r, HOST_NET_UPPER, port->index, s->list[i].name, "");
	return x;
}

static int report_links(struct space_links *s, const struct netuse_report *r)
{
	char text[32];
	int x = 0;

	for (size_t i = 0; x == 0 && i < s->count; i++) {
		const struct rtnl_link *l = &s->list[i];

		if (l->lower && l->lower != l->index && !l->has_lower_netns)
			x = use_report(r, HOST_NET_UPPER, l->lower, l->name, "");
		if (x == 0)
			x = report_representors(s, l, r);
		if (x || !l->has_xdp)
			continue;
		(void)snprintf(text, sizeof(text), "program %" PRIu32, l->xdp_program);
		x = use_report(r, HOST_NET_XDP, l->index, "", text);
	}
	return x;
}

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS of linux/bpf.h, since Linux 6.6 */
#define TCX_EGRESS 47

/* Programs of tc that need no queueing discipline. Older kernels, and users, get an error. */
static uint32_t count_tcx(uint32_t interface, uint32_t type)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = interface; /* of this type: the index of an interface */
	attr.query.attach_type = type;
	return syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)) < 0 ? 0 : attr.query.prog_cnt;
}

static int report_tcx(struct space_links *s, const struct netuse_report *r)
{
	int x = 0;

	for (size_t i = 0; x == 0 && i < s->count; i++)
		if (count_tcx(s->list[i].index, TCX_INGRESS) ||
			count_tcx(s->list[i].index, TCX_EGRESS))
			x = use_report(r, HOST_NET_FILTER, s->list[i].index, "", "bpf");
	return x;
}

static int qdisc_add(void *arg, const struct nlmsghdr *m)
{
	struct space_links *s = arg;
	struct rtnl_tc tc;

	if (rtnl_tc_read(m, &tc) && s->qdisc_count < COUNT(s->qdiscs) &&
		(strcmp(tc.kind, "ingress") == 0 || strcmp(tc.kind, "clsact") == 0))
		s->qdiscs[s->qdisc_count++] = tc.interface;
	return 0;
}

/* Ends the answer at the first filter. */
static int filter_take(void *arg, const struct nlmsghdr *m)
{
	struct rtnl_tc *tc = arg;

	return m->nlmsg_type == RTM_NEWTFILTER && rtnl_tc_read(m, tc);
}

static int report_filters(uint32_t interface, const struct netuse_report *r)
{
	static const uint32_t parents[] = {TC_H_INGRESS & TC_H_MAJ_MASK,
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));

	for (size_t i = 0; i < COUNT(parents); i++) {
		struct rtnl_tc tc = {0};

		rtnl_ask_filters(request, interface, parents[i]);
		int x = rtnl_talk(request, filter_take, &tc);
		if (x == 1)
			return use_report(r, HOST_NET_FILTER, interface, "", tc.kind);
		if (x < 0 && x != -EINVAL && x != -EOPNOTSUPP)
			return x;
	}
	return 0;
}

static int report_target(void *arg, uint32_t interface)
{
	return use_report(arg, HOST_NET_TARGET, interface, "", "");
}

static int mirred_hear(void *arg, const struct nlmsghdr *m)
{
	return rtnl_each_target(m, report_target, arg);
}

/* A kernel without tc, or without its actions, has none. */
static int report_tc(struct space_links *s, const struct netuse_report *r)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct netuse_report report = *r;

	rtnl_ask_qdiscs(request);
	int x = rtnl_talk(request, qdisc_add, s);
	for (size_t i = 0; x == 0 && i < s->qdisc_count; i++)
		x = report_filters(s->qdiscs[i], r);
	if (x == 0) {
		rtnl_ask_mirred(request);
		x = rtnl_talk(request, mirred_hear, &report);
	}
	return x == -EOPNOTSUPP || x == -EINVAL ? 0 : x;
}

/* One route for each interface is enough: a router has a million. */
struct route_report {
	const struct netuse_report *report;
	size_t count;
	uint32_t known[64];
};

static int report_hop(void *arg, const struct rtnl_route *route, uint32_t interface)
{
	struct route_report *r = arg;
	char to[INET_ADDRSTRLEN], text[64];

	/*
	 * /proc/net/route has the main table, but only first hops. Addresses stand for the local
	 * table.
	 */
	if ((route->table == RT_TABLE_MAIN && !route->is_further) || route->table == RT_TABLE_LOCAL)
		return 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->known[i] == interface)
			return 0;
	if (r->count < COUNT(r->known))
		r->known[r->count++] = interface;
	if (!inet_ntop(AF_INET, route->to, to, sizeof(to)))
		return 0;
	(void)snprintf(
		text, sizeof(text), "%s/%u in table %" PRIu32, to, route->prefix, route->table);
	return use_report(r->report, HOST_NET_ROUTE, interface, "", text);
}

static int route_hear(void *arg, const struct nlmsghdr *m)
{
	return rtnl_each_hop(m, report_hop, arg);
}

static int rule_hear(void *arg, const struct nlmsghdr *m)
{
	struct rtnl_rule rule;
	char text[64];

	if (!rtnl_rule_read(m, &rule))
		return 0;
	(void)snprintf(text, sizeof(text), "priority %" PRIu32, rule.priority);
	const char *names[] = {rule.in, rule.out};
	int x = 0;
	for (size_t i = 0; x == 0 && i < COUNT(names); i++) {
		uint32_t interface = names[i][0] ? if_nametoindex(names[i]) : 0;
		if (interface)
			x = use_report(arg, HOST_NET_RULE, interface, "", text);
	}
	return x;
}

static int report_routes(struct space_links *s, const struct netuse_report *r)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct route_report routes = {.report = r};
	struct netuse_report report = *r;

	rtnl_ask_routes(request);
	int x = rtnl_talk(request, route_hear, &routes);
	if (x)
		return x;
	rtnl_ask_rules(request);
	x = rtnl_talk(request, rule_hear, &report);
	return x == -EOPNOTSUPP ? 0 : x;
}

int netuse_ask_own(const struct netuse_report *r)
{
	struct space_links s = {0};

	static int (*const reports[])(struct space_links * s, const struct netuse_report *r) = {
		report_links, report_tcx, report_tc, report_routes};

	int x = links_read(&s);
	for (size_t i = 0; x == 0 && i < COUNT(reports); i++)
		x = reports[i](&s, r);
	free(s.list);
	return x;
}

static int netns_hear(void *arg, const struct nlmsghdr *m)
{
	rtnl_netns_read(m, arg);
	return 0;
}

int netuse_ask_other(int ours, const struct netuse_report *r)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct space_links s = {0};
	int32_t number = -1;

	/* First the links: an answer about one gives our namespace a number where it had none. */
	int x = links_read(&s);
	if (x == 0) {
		rtnl_ask_netns(request, ours);
		x = rtnl_talk(request, netns_hear, &number);
	}
	for (size_t i = 0; x == 0 && i < s.count; i++) {
		const struct rtnl_link *l = &s.list[i];

		if (l->has_lower_netns && number >= 0 && l->lower_netns == number)
			x = use_report(r, HOST_NET_UPPER, l->lower, l->name, "");
		else if (l->parent[0])
			x = use_report(r, HOST_NET_AWAY, 0, l->name, l->parent);
	}
	free(s.list);
	return x;
}
