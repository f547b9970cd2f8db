/* SPDX-License-Identifier: MIT */
#include "host/rtnl.h"

#include "base/clean.h"
#include "base/num.h"
#include "host/attribute.h"
#include "host/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The kernel sends an interface as one message. One with 256 functions and all their counters is
 * shorter than this. A longer message would be cut: that is an error.
 */
#define ANSWER_MAX ((size_t)256 * 1024)

/* A request that grows by attributes. */
struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	uint8_t attributes[RTNL_REQUEST_MAX - sizeof(struct nlmsghdr) - sizeof(struct ifinfomsg)];
};

_Static_assert(sizeof(struct request) == RTNL_REQUEST_MAX, "callers give this much room");

static void begin_request(struct request *q, uint16_t type, int ifindex)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = NLMSG_LENGTH(sizeof(q->link));
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	q->link.ifi_index = ifindex;
}

/*
 * Adds an attribute with @size bytes of data, or one that holds all attributes up to end_nested().
 */
static struct rtattr *put_attribute(struct request *q, uint16_t type, const void *data, size_t size)
{
	struct rtattr *a = (void *)((uint8_t *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(a + 1, data, size); /* RTA_LENGTH(0) is the size of the head */
	q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

static void end_nested(const struct request *q, struct rtattr *a)
{
	a->rta_len = (uint16_t)((const uint8_t *)q + q->head.nlmsg_len - (uint8_t *)a);
}

void rtnl_ask_functions(void *buf, int ifindex)
{
	const uint32_t mask = RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS;
	struct request q;

	begin_request(&q, RTM_GETLINK, ifindex);
	(void)put_attribute(&q, IFLA_EXT_MASK, &mask, sizeof(mask));
	memcpy(buf, &q, sizeof(q));
}

static void put_vlan(struct request *q, const struct host_vf *vf)
{
	const struct ifla_vf_vlan_info vlan = {vf->index, vf->vlan, vf->qos, htons(vf->proto)};
	const struct ifla_vf_vlan plain = {vf->index, vf->vlan, vf->qos};

	/* The longer form is newer (Linux 4.9), and only drivers with 802.1ad need it. */
	if (vf->proto == ETH_P_8021Q || !vf->proto) {
		(void)put_attribute(q, IFLA_VF_VLAN, &plain, sizeof(plain));
		return;
	}
	struct rtattr *list = put_attribute(q, IFLA_VF_VLAN_LIST, NULL, 0);
	(void)put_attribute(q, IFLA_VF_VLAN_INFO, &vlan, sizeof(vlan));
	end_nested(q, list);
}

void rtnl_ask_setting(void *buf, int ifindex, enum rtnl_setting s, const struct host_vf *vf)
{
	struct ifla_vf_mac mac = {.vf = vf->index};
	const struct ifla_vf_rate rate = {vf->index, vf->min_rate, vf->max_rate};
	const struct ifla_vf_spoofchk spoofchk = {vf->index, vf->spoofchk};
	const struct ifla_vf_link_state state = {vf->index, vf->link_state};
	const struct ifla_vf_rss_query_en rss = {vf->index, vf->rss_query};
	const struct ifla_vf_trust trust = {vf->index, vf->trust};
	struct request q;

	begin_request(&q, RTM_SETLINK, ifindex);
	struct rtattr *list = put_attribute(&q, IFLA_VFINFO_LIST, NULL, 0);
	struct rtattr *info = put_attribute(&q, IFLA_VF_INFO, NULL, 0);
	memcpy(mac.mac, vf->mac, sizeof(vf->mac));
	if (s == RTNL_MAC)
		(void)put_attribute(&q, IFLA_VF_MAC, &mac, sizeof(mac));
	else if (s == RTNL_VLAN)
		put_vlan(&q, vf);
	else if (s == RTNL_RATE)
		(void)put_attribute(&q, IFLA_VF_RATE, &rate, sizeof(rate));
	else if (s == RTNL_SPOOFCHK)
		(void)put_attribute(&q, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	else if (s == RTNL_LINK_STATE)
		(void)put_attribute(&q, IFLA_VF_LINK_STATE, &state, sizeof(state));
	else if (s == RTNL_RSS_QUERY)
		(void)put_attribute(&q, IFLA_VF_RSS_QUERY_EN, &rss, sizeof(rss));
	else
		(void)put_attribute(&q, IFLA_VF_TRUST, &trust, sizeof(trust));
	end_nested(&q, info);
	end_nested(&q, list);
	memcpy(buf, &q, sizeof(q));
}

const char *rtnl_setting_name(enum rtnl_setting s)
{
	static const char *const names[RTNL_SETTINGS] = {
		[RTNL_MAC] = "mac",
		[RTNL_VLAN] = "vlan",
		[RTNL_RATE] = "rate",
		[RTNL_SPOOFCHK] = "spoofchk",
		[RTNL_LINK_STATE] = "state",
		[RTNL_RSS_QUERY] = "query_rss",
		[RTNL_TRUST] = "trust",
	};

	return names[s];
}

int rtnl_setting_equal(enum rtnl_setting s, const struct host_vf *a, const struct host_vf *b)
{
	switch (s) {
	case RTNL_MAC:
		return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
	case RTNL_VLAN:
		return a->vlan == b->vlan && a->qos == b->qos && (a->proto == b->proto || !a->vlan);
	case RTNL_RATE:
		return a->min_rate == b->min_rate && a->max_rate == b->max_rate;
	case RTNL_SPOOFCHK:
		return a->spoofchk == b->spoofchk;
	case RTNL_LINK_STATE:
		return a->link_state == b->link_state;
	case RTNL_RSS_QUERY:
		return a->rss_query == b->rss_query;
	case RTNL_TRUST:
		return a->trust == b->trust;
	case RTNL_SETTINGS:
		break;
	}
	return 1;
}

static void take_vlans(const struct rtattr *list, struct host_vf *vf)
{
	struct ifla_vf_vlan_info v = {0};
	size_t left;

	/* A function has one VLAN: the kernel reads one IFLA_VF_VLAN_INFO. */
	const struct rtattr *a = attribute_first(attribute_data(list), RTA_PAYLOAD(list), &left);
	if (!a || attribute_type(a) != IFLA_VF_VLAN_INFO)
		return;
	attribute_copy(a, &v, sizeof(v));
	vf->vlan = (uint16_t)v.vlan;
	vf->qos = v.qos;
	vf->proto = ntohs(v.vlan_proto);
}

static void take_attribute(const struct rtattr *a, struct host_vf *vf)
{
	struct ifla_vf_mac mac = {0};
	struct ifla_vf_vlan vlan = {0};
	struct ifla_vf_rate rate = {0};
	uint32_t pair[2] = {0}; /* of other attributes: the function, the value */

	switch (attribute_type(a)) {
	case IFLA_VF_MAC:
		attribute_copy(a, &mac, sizeof(mac));
		vf->index = mac.vf;
		memcpy(vf->mac, mac.mac, sizeof(vf->mac));
		return;
	case IFLA_VF_VLAN:
		attribute_copy(a, &vlan, sizeof(vlan));
		vf->vlan = (uint16_t)vlan.vlan;
		vf->qos = vlan.qos;
		return;
	case IFLA_VF_VLAN_LIST:
		take_vlans(a, vf);
		return;
	case IFLA_VF_RATE:
		attribute_copy(a, &rate, sizeof(rate));
		vf->min_rate = rate.min_tx_rate;
		vf->max_rate = rate.max_tx_rate;
		return;
	default:
		attribute_copy(a, pair, sizeof(pair));
	}
	if (attribute_type(a) == IFLA_VF_SPOOFCHK)
		vf->spoofchk = pair[1];
	else if (attribute_type(a) == IFLA_VF_LINK_STATE)
		vf->link_state = pair[1];
	else if (attribute_type(a) == IFLA_VF_RSS_QUERY_EN)
		vf->rss_query = pair[1];
	else if (attribute_type(a) == IFLA_VF_TRUST)
		vf->trust = pair[1];
}

static struct host_vf function_of(const struct rtattr *info)
{
	struct host_vf vf = {.index = HOST_VF_UNTOLD,
		.proto = ETH_P_8021Q,
		.spoofchk = HOST_VF_UNTOLD,
		.link_state = HOST_VF_UNTOLD,
		.rss_query = HOST_VF_UNTOLD,
		.trust = HOST_VF_UNTOLD};
	size_t left;

	for (const struct rtattr *a =
			attribute_first(attribute_data(info), RTA_PAYLOAD(info), &left);
		a; a = attribute_next(a, &left))
		take_attribute(a, &vf);
	return vf;
}

int rtnl_each_function(
	const struct nlmsghdr *m, int (*each)(void *arg, const struct host_vf *vf), void *arg)
{
	size_t left, inner;
	int r = 0;

	if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return 0;
	const struct rtattr *a =
		attribute_first((const uint8_t *)m + NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			m->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifinfomsg)), &left);
	for (; a && r == 0; a = attribute_next(a, &left)) {
		if (attribute_type(a) != IFLA_VFINFO_LIST)
			continue;
		const struct rtattr *info =
			attribute_first(attribute_data(a), RTA_PAYLOAD(a), &inner);
		for (; info && r == 0; info = attribute_next(info, &inner)) {
			const struct host_vf vf = function_of(info);
			if (attribute_type(info) == IFLA_VF_INFO && vf.index != HOST_VF_UNTOLD)
				r = each(arg, &vf);
		}
	}
	return r;
}

void rtnl_ask_links(void *buf)
{
	const uint32_t mask = RTEXT_FILTER_SKIP_STATS;
	struct request q;

	begin_request(&q, RTM_GETLINK, 0);
	q.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	(void)put_attribute(&q, IFLA_EXT_MASK, &mask, sizeof(mask));
	memcpy(buf, &q, sizeof(q));
}

bool rtnl_ask_link(void *buf, const char *name)
{
	const uint32_t mask = RTEXT_FILTER_SKIP_STATS;
	size_t size = strlen(name) + 1;
	struct request q;

	if (size == 1 || size > ALTIFNAMSIZ)
		return false;
	begin_request(&q, RTM_GETLINK, 0);
	(void)put_attribute(&q, IFLA_EXT_MASK, &mask, sizeof(mask));
	/* Since Linux 5.5 this one finds alternative names, too; it has no room for long ones. */
	(void)put_attribute(&q, size <= IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name, size);
	memcpy(buf, &q, sizeof(q));
	return true;
}

static void take_xdp(const struct rtattr *xdp, struct rtnl_link *ret)
{
	uint8_t attached = XDP_ATTACHED_NONE;
	size_t left;

	for (const struct rtattr *a = attribute_inside(xdp, &left); a;
		a = attribute_next(a, &left)) {
		if (attribute_type(a) == IFLA_XDP_ATTACHED)
			attribute_copy(a, &attached, sizeof(attached));
		else if (attribute_type(a) == IFLA_XDP_PROG_ID)
			attribute_copy(a, &ret->xdp_program, sizeof(ret->xdp_program));
	}
	ret->has_xdp = attached != XDP_ATTACHED_NONE;
}

static void take_link_attribute(const struct rtattr *a, struct rtnl_link *ret)
{
	switch (attribute_type(a)) {
	case IFLA_IFNAME:
		attribute_text(a, ret->name, sizeof(ret->name));
		break;
	case IFLA_LINK:
		attribute_copy(a, &ret->lower, sizeof(ret->lower));
		break;
	case IFLA_LINK_NETNSID:
		attribute_copy(a, &ret->lower_netns, sizeof(ret->lower_netns));
		ret->has_lower_netns = true;
		break;
	case IFLA_XDP:
		take_xdp(a, ret);
		break;
	case IFLA_PARENT_DEV_NAME:
		attribute_text(a, ret->parent, sizeof(ret->parent));
		break;
	case IFLA_PHYS_SWITCH_ID:
		ret->switch_len =
			(uint8_t)(RTA_PAYLOAD(a) < sizeof(ret->switch_id) ? RTA_PAYLOAD(a)
									  : sizeof(ret->switch_id));
		attribute_copy(a, ret->switch_id, sizeof(ret->switch_id));
		break;
	default:
		break;
	}
}

bool rtnl_link_read(const struct nlmsghdr *m, struct rtnl_link *ret)
{
	struct ifinfomsg info;
	const size_t head = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	size_t left;

	if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < head)
		return false;
	*ret = (struct rtnl_link){0};
	memcpy(&info, (const uint8_t *)m + NLMSG_HDRLEN, sizeof(info));
	ret->index = (uint32_t)info.ifi_index;
	const struct rtattr *a =
		attribute_first((const uint8_t *)m + head, m->nlmsg_len - head, &left);
	for (; a; a = attribute_next(a, &left))
		take_link_attribute(a, ret);
	return true;
}

/* The head of this message is one byte and padding. */
void rtnl_ask_netns(void *buf, int fd)
{
	const uint32_t value = (uint32_t)fd;
	struct request q;

	begin_request(&q, RTM_GETNSID, 0);
	q.head.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg));
	(void)put_attribute(&q, NETNSA_FD, &value, sizeof(value));
	memcpy(buf, &q, sizeof(q));
}

void rtnl_netns_read(const struct nlmsghdr *m, int32_t *ret)
{
	const size_t head = NLMSG_ALIGN(NLMSG_LENGTH(sizeof(struct rtgenmsg)));
	size_t left;

	if (m->nlmsg_type != RTM_NEWNSID || m->nlmsg_len < head)
		return;
	const struct rtattr *a =
		attribute_first((const uint8_t *)m + head, m->nlmsg_len - head, &left);
	for (; a; a = attribute_next(a, &left))
		if (attribute_type(a) == NETNSA_NSID)
			attribute_copy(a, ret, sizeof(*ret));
}

static const struct nlmsghdr *next_message(const struct nlmsghdr *m, size_t *left)
{
	size_t n = NLMSG_ALIGN(m->nlmsg_len);

	n = n < *left ? n : *left;
	*left -= n;
	return (const void *)((const uint8_t *)m + n);
}

int rtnl_hear(const void *data, size_t size, int (*each)(void *arg, const struct nlmsghdr *m),
	void *arg, bool *last)
{
	const struct nlmsghdr *m = data;
	int r = 0;

	for (; r == 0 && NLMSG_OK(m, size); m = next_message(m, &size)) {
		*last = m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr end;
			if (m->nlmsg_len < NLMSG_LENGTH(sizeof(end)))
				return -EPROTO;
			memcpy(&end, (const uint8_t *)m + NLMSG_HDRLEN, sizeof(end));
			return end.error;
		}
		r = each ? each(arg, m) : 0;
	}
	return r;
}

int rtnl_talk(const void *request, int (*each)(void *arg, const struct nlmsghdr *m), void *arg)
{
	const struct nlmsghdr *head = request;
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	cleanup_free void *answer = malloc(ANSWER_MAX);
	bool last = false;
	int r = 0;

	if (!answer)
		return -ENOMEM;
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (sendto(fd, request, head->nlmsg_len, 0, (void *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	while (r == 0 && !last) {
		ssize_t n = recv(fd, answer, ANSWER_MAX, MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (size_t)n > ANSWER_MAX)
			return n < 0 ? -errno : -EMSGSIZE;
		r = rtnl_hear(answer, (size_t)n, each, arg, &last);
	}
	return r;
}
