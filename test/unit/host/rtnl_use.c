/* SPDX-License-Identifier: MIT */
#include "host/rtnl_use.h"

#include "netlink.h"
#include "suite.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>
#include <stdio.h>
#include <string.h>

static void add_number(uint16_t type, uint32_t value)
{
	add_attribute(type, &value, sizeof(value));
}

static void add_text(uint16_t type, const char *text)
{
	add_attribute(type, text, strlen(text) + 1);
}

static char told[256];

static int tell_target(void *arg, uint32_t interface)
{
	sprintf(told + strlen(told), "%u;", interface);
	return 0;
}

static int tell_hop(void *arg, const struct rtnl_route *r, uint32_t interface)
{
	sprintf(told + strlen(told), "%u.%u/%u table %u%s to %u;", r->to[0], r->to[1], r->prefix,
		r->table, r->is_further ? " further" : "", interface);
	return 0;
}

/* All lengths of the last message: whatever is cut off is not read. */
static void cut(int (*parse)(const struct nlmsghdr *m))
{
	struct nlmsghdr *m = (void *)message;

	for (uint32_t len = m->nlmsg_len; len >= NLMSG_HDRLEN; len--) {
		m->nlmsg_len = len;
		told[0] = '\0';
		(void)parse(m);
	}
}

static int parse_all(const struct nlmsghdr *m)
{
	struct rtnl_rule rule;
	struct rtnl_link link;
	struct rtnl_tc tc;

	(void)rtnl_each_target(m, tell_target, NULL);
	(void)rtnl_each_hop(m, tell_hop, NULL);
	(void)rtnl_rule_read(m, &rule);
	(void)rtnl_link_read(m, &link);
	(void)rtnl_tc_read(m, &tc);
	return 0;
}

START_TEST(reads_links)
{
	const struct ifinfomsg head = {.ifi_index = 7};
	const uint8_t id[] = {1, 2, 3, 4}, attached = XDP_ATTACHED_SKB;
	struct rtnl_link link;

	begin_message(&head, sizeof(head));
	add_text(IFLA_IFNAME, "eth0");
	add_number(IFLA_LINK, 3);
	add_attribute(IFLA_PHYS_SWITCH_ID, id, sizeof(id));
	add_text(IFLA_PARENT_DEV_NAME, "0000:02:00.0");
	size_t at = open_attribute(IFLA_XDP | NLA_F_NESTED);
	add_attribute(IFLA_XDP_ATTACHED, &attached, sizeof(attached));
	add_number(IFLA_XDP_PROG_ID, 12);
	close_attribute(at);
	ck_assert(rtnl_link_read(end_message(RTM_NEWLINK), &link));
	ck_assert_uint_eq(link.index, 7);
	ck_assert_str_eq(link.name, "eth0");
	ck_assert_uint_eq(link.lower, 3);
	ck_assert(!link.has_lower_netns && link.has_xdp);
	ck_assert_uint_eq(link.xdp_program, 12);
	ck_assert_str_eq(link.parent, "0000:02:00.0");
	ck_assert_uint_eq(link.switch_len, 4);
	cut(parse_all);
}
END_TEST

START_TEST(reads_filters_and_targets)
{
	const struct tcmsg filter = {.tcm_ifindex = 7};
	const struct tcamsg action = {0};
	const struct tc_mirred mirred = {.ifindex = 9};
	struct rtnl_tc tc;

	begin_message(&filter, sizeof(filter));
	add_text(TCA_KIND, "matchall");
	ck_assert(rtnl_tc_read(end_message(RTM_NEWTFILTER), &tc));
	ck_assert_uint_eq(tc.interface, 7);
	ck_assert_str_eq(tc.kind, "matchall");
	cut(parse_all);

	begin_message(&action, sizeof(action));
	size_t table = open_attribute(TCA_ROOT_TAB | NLA_F_NESTED);
	size_t one = open_attribute(0);
	add_text(TCA_ACT_KIND, "mirred");
	size_t options = open_attribute(TCA_ACT_OPTIONS | NLA_F_NESTED);
	add_attribute(TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	close_attribute(options);
	close_attribute(one);
	close_attribute(table);
	told[0] = '\0';
	ck_assert_int_eq(rtnl_each_target(end_message(RTM_NEWACTION), tell_target, NULL), 0);
	ck_assert_str_eq(told, "9;");
	cut(parse_all);
}
END_TEST

START_TEST(reads_routes_and_rules)
{
	const struct rtmsg route = {.rtm_dst_len = 15, .rtm_table = 77, .rtm_type = RTN_UNICAST};
	const struct fib_rule_hdr head = {0};
	const uint8_t to[] = {198, 18, 0, 0};
	struct rtnl_rule rule;

	begin_message(&route, sizeof(route));
	add_attribute(RTA_DST, to, sizeof(to));
	add_number(RTA_TABLE, 1077);
	add_number(RTA_OIF, 7);
	told[0] = '\0';
	ck_assert_int_eq(rtnl_each_hop(end_message(RTM_NEWROUTE), tell_hop, NULL), 0);
	ck_assert_str_eq(told, "198.18/15 table 1077 to 7;");
	cut(parse_all);

	const struct rtnexthop hops[] = {{.rtnh_len = sizeof(*hops), .rtnh_ifindex = 3},
		{.rtnh_len = sizeof(*hops), .rtnh_ifindex = 4}};
	begin_message(&route, sizeof(route));
	add_attribute(RTA_MULTIPATH, hops, sizeof(hops));
	told[0] = '\0';
	ck_assert_int_eq(rtnl_each_hop(end_message(RTM_NEWROUTE), tell_hop, NULL), 0);
	ck_assert_str_eq(told, "0.0/15 table 77 to 3;0.0/15 table 77 further to 4;");
	cut(parse_all);

	begin_message(&head, sizeof(head));
	add_text(FRA_IIFNAME, "eth0");
	add_number(FRA_PRIORITY, 32765);
	ck_assert(rtnl_rule_read(end_message(RTM_NEWRULE), &rule));
	ck_assert_str_eq(rule.in, "eth0");
	ck_assert_str_eq(rule.out, "");
	ck_assert_uint_eq(rule.priority, 32765);
	cut(parse_all);
	begin_message(&head, sizeof(head));
	add_number(FRA_PRIORITY, 0);
	ck_assert(!rtnl_rule_read(end_message(RTM_NEWRULE), &rule));
}
END_TEST

SUITE("rtnl_use", reads_links, reads_filters_and_targets, reads_routes_and_rules)
