/* SPDX-License-Identifier: MIT */
#include "host/rtnl.h"

#include "host/host.h"
#include "netlink.h"
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <net/if.h>
#include <string.h>

static const void *data_of(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

/* In the form of the kernel's rtnl_fill_vfinfo(). */
static void add_function(uint32_t index, uint16_t proto)
{
	const struct ifla_vf_mac mac = {index, {0x52, 0x54, 0, 0, 0, (uint8_t)index}};
	const struct ifla_vf_vlan vlan = {index, 100 + index, 3};
	const struct ifla_vf_vlan_info info = {index, 100 + index, 3, htons(proto)};
	const struct ifla_vf_rate rate = {index, 10, 1000};
	const struct ifla_vf_tx_rate tx = {index, 1000};
	const struct ifla_vf_spoofchk spoofchk = {index, 1};
	const struct ifla_vf_link_state state = {index, IFLA_VF_LINK_STATE_ENABLE};
	const struct ifla_vf_rss_query_en rss = {index, HOST_VF_UNTOLD};
	const struct ifla_vf_trust trust = {index, 1};
	size_t at = open_attribute(IFLA_VF_INFO | NLA_F_NESTED);

	add_attribute(IFLA_VF_MAC, &mac, sizeof(mac));
	add_attribute(IFLA_VF_VLAN, &vlan, sizeof(vlan));
	size_t list = open_attribute(IFLA_VF_VLAN_LIST | NLA_F_NESTED);
	add_attribute(IFLA_VF_VLAN_INFO, &info, sizeof(info));
	close_attribute(list);
	add_attribute(IFLA_VF_RATE, &rate, sizeof(rate));
	add_attribute(IFLA_VF_TX_RATE, &tx, sizeof(tx));
	add_attribute(IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	add_attribute(IFLA_VF_LINK_STATE, &state, sizeof(state));
	add_attribute(IFLA_VF_RSS_QUERY_EN, &rss, sizeof(rss));
	add_attribute(IFLA_VF_TRUST, &trust, sizeof(trust));
	close_attribute(at);
}

static struct nlmsghdr *make_answer(void)
{
	const struct ifinfomsg head = {0};
	const uint32_t mtu = 1500;

	begin_message(&head, sizeof(head));
	add_attribute(IFLA_IFNAME, "eth0", 5);
	add_attribute(IFLA_MTU, &mtu, sizeof(mtu));
	size_t at = open_attribute(IFLA_VFINFO_LIST | NLA_F_NESTED);
	add_function(0, 0x8100);
	add_function(1, 0x88a8);
	close_attribute(at);
	return end_message(RTM_NEWLINK);
}

static struct host_vf found[4];
static size_t found_count;

static int keep_function(void *arg, const struct host_vf *vf)
{
	ck_assert_uint_lt(found_count, 4);
	found[found_count++] = *vf;
	return 0;
}

START_TEST(reads_every_function)
{
	const struct nlmsghdr *m = make_answer();

	found_count = 0;
	ck_assert_int_eq(rtnl_each_function(m, keep_function, NULL), 0);
	ck_assert_uint_eq(found_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct host_vf *v = &found[i];
		ck_assert_uint_eq(v->index, i);
		ck_assert_uint_eq(v->mac[5], i);
		ck_assert_uint_eq(v->vlan, 100 + i);
		ck_assert_uint_eq(v->qos, 3);
		ck_assert_uint_eq(v->proto, i ? 0x88a8 : 0x8100);
		ck_assert_uint_eq(v->min_rate, 10);
		ck_assert_uint_eq(v->max_rate, 1000);
		ck_assert_uint_eq(v->spoofchk, 1);
		ck_assert_uint_eq(v->link_state, IFLA_VF_LINK_STATE_ENABLE);
		ck_assert_uint_eq(v->rss_query, HOST_VF_UNTOLD);
		ck_assert_uint_eq(v->trust, 1);
	}
}
END_TEST

/* Cut anywhere, or with any byte changed, it does no harm, as the sanitizers check. */
START_TEST(reads_what_is_broken)
{
	struct nlmsghdr *m = make_answer();
	size_t whole = size;

	for (size_t n = sizeof(*m); n < whole; n++) {
		m->nlmsg_len = (uint32_t)n;
		found_count = 0;
		(void)rtnl_each_function(m, keep_function, NULL);
		ck_assert_uint_le(found_count, 2);
	}
	for (size_t i = sizeof(*m); i < whole; i++) {
		m = make_answer();
		message[i] ^= 0xff;
		found_count = 0;
		(void)rtnl_each_function(m, keep_function, NULL);
	}
}
END_TEST

/* Appends the message with which the kernel ends an answer. Return: bytes of both. */
static size_t add_last(int error)
{
	const struct nlmsgerr body = {.error = error};
	const struct nlmsghdr head = {NLMSG_LENGTH(sizeof(body)), NLMSG_ERROR, 0, 0, 0};
	size_t at = NLMSG_ALIGN(size);

	memcpy(message + at, &head, sizeof(head));
	memcpy(message + at + NLMSG_HDRLEN, &body, sizeof(body));
	return at + head.nlmsg_len;
}

static int stop_at(void *arg, const struct host_vf *vf)
{
	const uint32_t *index = arg;

	return vf->index == *index;
}

static int stop_in(void *arg, const struct nlmsghdr *m)
{
	return rtnl_each_function(m, stop_at, arg);
}

/* A reader that needs no more returns 1, before the kernel's last message. */
START_TEST(tells_a_reader_from_the_end)
{
	uint32_t there = 1, nowhere = 9;
	bool last = true;

	(void)make_answer();
	size_t n = add_last(0);
	ck_assert_int_eq(rtnl_hear(message, n, stop_in, &there, &last), 1);
	ck_assert(!last);
	ck_assert_int_eq(rtnl_hear(message, n, stop_in, &nowhere, &last), 0);
	ck_assert(last);
	n = add_last(-EPERM);
	ck_assert_int_eq(rtnl_hear(message, n, NULL, NULL, &last), -EPERM);
	ck_assert(last);
	ck_assert_int_eq(rtnl_hear(message, n - 4, NULL, NULL, &last), 0); /* cut off: missing */
	ck_assert(!last);
}
END_TEST

/* The attribute of a request for one setting, two lists deep. */
static const struct rtattr *inner_of(const void *request)
{
	const struct nlmsghdr *m = request;
	const struct rtattr *list =
		(const void *)((const uint8_t *)request + NLMSG_LENGTH(sizeof(struct ifinfomsg)));
	const struct rtattr *info = data_of(list);

	ck_assert_uint_eq(m->nlmsg_type, RTM_SETLINK);
	ck_assert_uint_eq(list->rta_type, IFLA_VFINFO_LIST);
	ck_assert_uint_eq(m->nlmsg_len, NLMSG_LENGTH(sizeof(struct ifinfomsg)) + list->rta_len);
	ck_assert_uint_eq(info->rta_type, IFLA_VF_INFO);
	ck_assert_uint_eq(list->rta_len, RTA_LENGTH(info->rta_len));
	return data_of(info);
}

START_TEST(asks_for_one_setting)
{
	static const uint16_t types[RTNL_SETTINGS] = {IFLA_VF_MAC, IFLA_VF_VLAN, IFLA_VF_RATE,
		IFLA_VF_SPOOFCHK, IFLA_VF_LINK_STATE, IFLA_VF_RSS_QUERY_EN, IFLA_VF_TRUST};
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct host_vf vf = {.index = 7, .mac = {2, 0, 0, 0, 0, 5}, .vlan = 9, .proto = 0x8100};
	struct ifla_vf_vlan_info vlan;
	struct ifla_vf_mac mac;

	for (enum rtnl_setting s = 0; s < RTNL_SETTINGS; s++) {
		uint32_t index;
		rtnl_ask_setting(request, 3, s, &vf);
		ck_assert_uint_eq(inner_of(request)->rta_type, types[s]);
		memcpy(&index, data_of(inner_of(request)), sizeof(index));
		ck_assert_uint_eq(index, 7);
	}
	rtnl_ask_setting(request, 3, RTNL_MAC, &vf);
	memcpy(&mac, data_of(inner_of(request)), sizeof(mac));
	ck_assert_mem_eq(mac.mac, vf.mac, 6);
	vf.proto = 0x88a8;
	rtnl_ask_setting(request, 3, RTNL_VLAN, &vf);
	const struct rtattr *list = inner_of(request), *info = data_of(list);
	ck_assert_uint_eq(list->rta_type, IFLA_VF_VLAN_LIST);
	ck_assert_uint_eq(info->rta_type, IFLA_VF_VLAN_INFO);
	memcpy(&vlan, data_of(info), sizeof(vlan));
	ck_assert_uint_eq(vlan.vlan, 9);
	ck_assert_uint_eq(vlan.vlan_proto, htons(0x88a8));
}
END_TEST

/* The real kernel: the loopback interface has no virtual functions, and its driver sets none. */
START_TEST(talks_to_the_kernel)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	const struct host_vf vf = {.proto = 0x8100};
	int lo = (int)if_nametoindex("lo");

	found_count = 0;
	ck_assert_int_eq(host_functions(host_live(), "lo", keep_function, NULL), 0);
	ck_assert_uint_eq(found_count, 0);
	ck_assert_int_eq(host_functions(host_live(), "no-such-one", keep_function, NULL), -ENODEV);
	for (enum rtnl_setting s = 0; s < RTNL_SETTINGS; s++) {
		rtnl_ask_setting(request, lo, s, &vf);
		int r = rtnl_talk(request, NULL, NULL);
		ck_assert_msg(r == -EOPNOTSUPP || r == -EPERM, "%s: %d", rtnl_setting_name(s), r);
	}
}
END_TEST

/* A macvlan; its lower interface is in the namespace with id 3 in the namespace that is asked. */
START_TEST(reads_links_across_namespaces)
{
	const struct ifinfomsg head = {.ifi_index = 9};
	const uint32_t lower = 2;
	const int32_t number = 3;
	struct rtnl_link link;

	begin_message(&head, sizeof(head));
	add_attribute(IFLA_IFNAME, "mv0", 4);
	add_attribute(IFLA_LINK, &lower, sizeof(lower));
	ck_assert(rtnl_link_read(end_message(RTM_NEWLINK), &link));
	ck_assert_str_eq(link.name, "mv0");
	ck_assert_uint_eq(link.lower, 2);
	ck_assert(!link.has_lower_netns);
	add_attribute(IFLA_LINK_NETNSID, &number, sizeof(number));
	ck_assert(rtnl_link_read(end_message(RTM_NEWLINK), &link));
	ck_assert(link.has_lower_netns);
	ck_assert_int_eq(link.lower_netns, 3);
	/* A name without a NUL, a number that is cut off, a message of another kind. */
	begin_message(&head, sizeof(head));
	add_attribute(IFLA_IFNAME, "averylonginterfacename", 22);
	add_attribute(IFLA_LINK, &lower, 2);
	ck_assert(rtnl_link_read(end_message(RTM_NEWLINK), &link));
	ck_assert_str_eq(link.name, "averylonginterf");
	begin_message(&head, sizeof(head));
	ck_assert(!rtnl_link_read(end_message(RTM_NEWADDR), &link));
}
END_TEST

START_TEST(reads_numbers_of_namespaces)
{
	const struct rtgenmsg head = {AF_UNSPEC};
	int32_t number = 7, ret = -1;

	begin_message(&head, sizeof(head));
	rtnl_netns_read(end_message(RTM_NEWNSID), &ret);
	ck_assert_int_eq(ret, -1);
	add_attribute(NETNSA_NSID, &number, sizeof(number));
	rtnl_netns_read(end_message(RTM_NEWNSID), &ret);
	ck_assert_int_eq(ret, 7);
}
END_TEST

SUITE("rtnl", reads_every_function, reads_what_is_broken, asks_for_one_setting,
	tells_a_reader_from_the_end, talks_to_the_kernel, reads_links_across_namespaces,
	reads_numbers_of_namespaces)
