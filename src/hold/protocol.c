/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: an interface without an address or a route may still be in use. What uses it
 * takes frames below IP, and the kernel lists that for the reader's own network namespace:
 *
 *	/proc/net/pppoe		sessions: a router's line, by which an SSH session may come in
 *	/proc/net/packet	packet sockets, by the interface's index: DHCP, captures
 *	/proc/net/ptype		handlers of the kernel: FCoE, TIPC, batman-adv
 *	/proc/net/can/rcvlist_*	receivers of CAN frames
 *	/sys/class/bluetooth	adapters and their connections
 *
 * A container's sockets are in its own namespace, where only its own interfaces are: those on top
 * of ours are found as such (host/netns.c).
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TYPE_CAN 280 /* linux/if_arp.h */
#define TYPE_PPP 512

/* The line after @line; NULL at the end. */
static const char *line_next(const char *line)
{
	const char *end = strchr(line, '\n');

	return end && end[1] ? end + 1 : NULL;
}

static bool interface_number(struct host *h, const char *name, const char *attribute, uint64_t *ret)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "/sys/class/net/%s/%s", name, attribute) == 0 &&
	       host_read_number(h, path, ret) == 0;
}

/* The only PPP interface of this namespace; NULL if there is none, or more than one. */
static const char *find_only_ppp(const struct hold_view *v)
{
	const char *found = NULL;

	for (size_t i = 0; i < v->net.count; i++) {
		const struct hold_link *l = &v->net.list[i];
		uint64_t type;

		if (!strstr(l->target, "/virtual/") ||
			!interface_number(v->host, l->name, "type", &type) || type != TYPE_PPP)
			continue;
		if (found)
			return NULL;
		found = l->name;
	}
	return found;
}

/* "Id       Address              Device", then "00003412 52:54:00:01:02:03     eth0". */
struct pppoe {
	unsigned id; /* in network order, though it is printed as a number */
	char peer[18];
	char interface[HOLD_INTERFACE_MAX];
};

static bool pppoe_parse(const char *line, struct pppoe *ret)
{
	return sscanf(line, "%x %17s %15s", &ret->id, ret->peer, ret->interface) == 3;
}

/*
 * The kernel does not show which interface a session feeds. Where there is one of each, it is
 * clear.
 */
int hold_stack_fill_ppp(struct hold_stack *s)
{
	struct hold_view *v = s->c->view;
	struct pppoe p;
	unsigned sessions = 0;
	bool ours = false;

	int r = hold_view_protocols(v);
	if (r < 0)
		return r;
	for (const char *line = line_next(v->pppoe); line; line = line_next(line)) {
		if (!pppoe_parse(line, &p))
			continue;
		sessions++;
		ours = ours || hold_stack_has(s, p.interface);
	}
	const char *ppp = ours && sessions == 1 ? find_only_ppp(v) : NULL;
	if (ppp)
		hold_stack_fill(s, ppp);
	return 0;
}

static int find_pppoe(const struct hold_stack *s)
{
	struct hold_view *v = s->c->view;
	const char *ppp = NULL;
	char above[32];
	struct pppoe p;
	uint64_t type;
	int r = 0;

	for (size_t i = 1; i < s->count && !ppp; i++)
		if (interface_number(v->host, s->names[i], "type", &type) && type == TYPE_PPP)
			ppp = s->names[i];
	for (const char *line = line_next(v->pppoe); line && r == 0; line = line_next(line)) {
		if (!pppoe_parse(line, &p) || !hold_stack_has(s, p.interface))
			continue;
		r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
			"carries a PPPoE session (0x%04x with %s)%s%s%s", ntohs((uint16_t)p.id),
			p.peer, hold_stack_through(s, p.interface, above, sizeof(above)),
			ppp ? ": " : "", ppp ? ppp : "");
	}
	return r;
}

/* A packet socket that is bound to an interface. */
struct packet {
	unsigned protocol;
	uint64_t interface;
	unsigned uid;
	unsigned long inode;
};

/* "sk               RefCnt Type Proto  Iface R Rmem   User   Inode" */
static bool packet_parse(const char *line, struct packet *ret)
{
	int interface;
	unsigned running;

	if (sscanf(line, "%*s %*d %*d %x %d %u %*u %u %lu", &ret->protocol, &interface, &running,
		    &ret->uid, &ret->inode) != 5 ||
		interface <= 0)
		return false;
	ret->interface = (uint64_t)interface;
	return running;
}

/* "dhclient (pid 812, root)"; only the user in a listing. */
static void packet_owner(struct hold_view *v, const struct packet *p, char *buf, size_t size)
{
	struct host_holder o = {0};

	if (v->is_listing || host_socket(v->host, p->inode, &o) < 0)
		(void)snprintf(buf, size, "a process of uid %u", p->uid);
	else
		hold_process_name(v, &o, buf, size);
}

/* The first one names the process; the others most often are of the same. */
static int find_packets(const struct hold_stack *s)
{
	struct hold_view *v = s->c->view;
	char owner[96], above[32], more[32] = "";

	for (size_t i = 0; i < s->count; i++) {
		struct packet p, first = {0};
		uint64_t index;
		unsigned count = 0;

		if (!interface_number(v->host, s->names[i], "ifindex", &index))
			continue;
		for (const char *line = line_next(v->packets); line; line = line_next(line)) {
			if (!packet_parse(line, &p) || p.interface != index)
				continue;
			if (count++ == 0)
				first = p;
		}
		if (count == 0)
			continue;
		if (count > 1)
			(void)snprintf(more, sizeof(more), " and %u more", count - 1);
		packet_owner(v, &first, owner, sizeof(owner));
		int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
			"a packet socket is bound to it%s: %s%s",
			hold_stack_through(s, s->names[i], above, sizeof(above)), owner, more);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Packet sockets are in /proc/net/packet, with their owners. */
static bool is_packet_handler(const char *function)
{
	return strncmp(function, "packet_", 7) == 0 || strncmp(function, "tpacket_", 8) == 0;
}

/*
 * "ALL  eth0     tpacket_rcv", "8906 eth0     fcoe_rcv [fcoe]"; of all devices: "0800   ip_rcv".
 */
static int find_handlers(const struct hold_stack *s)
{
	const struct hold_view *v = s->c->view;
	int r = 0;

	for (const char *line = line_next(v->handlers); line && r == 0; line = line_next(line)) {
		char type[8], name[HOLD_INTERFACE_MAX], function[48], above[32];

		if (sscanf(line, "%7s %15s %47s", type, name, function) != 3 ||
			!hold_stack_has(s, name) || is_packet_handler(function))
			continue;
		r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
			"a protocol of the kernel receives from it%s: %s (type %s)",
			hold_stack_through(s, name, above, sizeof(above)), function, type);
	}
	return r;
}

/* Whether a list of receivers names the interface: "   can0     123    7ff  … raw". */
static bool list_names(const char *text, const char *interface, char *ret, size_t size)
{
	for (const char *line = text; line; line = line_next(line)) {
		char name[HOLD_INTERFACE_MAX], who[16];

		if (sscanf(line, " %15s %*x %*x %*s %*s %*s %15s", name, who) != 2 ||
			strcmp(name, interface) != 0)
			continue;
		(void)snprintf(ret, size, "%s", who);
		return true;
	}
	return false;
}

/* A CAN interface has no address. It is down until somebody sets its bit rate and takes it up. */
static int find_can(const struct hold_stack *s)
{
	static const char *const lists[] = {"all", "fil", "inv", "sff", "eff", "err"};
	struct host *h = s->c->view->host;
	const char *name = s->names[0];
	char path[FILE_PATH_MAX], text[4096], who[16] = "";
	uint64_t type, flags;

	if (!interface_number(h, name, "type", &type) || type != TYPE_CAN)
		return 0;
	for (size_t i = 0; i < COUNT(lists) && !who[0]; i++)
		if (file_path(path, sizeof(path), "/proc/net/can/rcvlist_%s", lists[i]) == 0 &&
			host_read_text(h, path, text, sizeof(text)) > 0)
			(void)list_names(text, name, who, sizeof(who));
	if (who[0])
		return hold_add(
			s->c, "net", HOLD_PLAIN, name, "CAN sockets receive from it (%s)", who);
	if (!interface_number(h, name, "flags", &flags) || !(flags & 1))
		return 0;
	return hold_add(s->c, "net", HOLD_PLAIN, name, "is up, on a CAN bus");
}

int hold_protocols(const struct hold_stack *s)
{
	static int (*const finders[])(const struct hold_stack *s) = {
		find_pppoe, find_packets, find_handlers, find_can};
	int r = hold_view_protocols(s->c->view);

	for (size_t i = 0; r == 0 && i < COUNT(finders); i++)
		r = finders[i](s);
	return r;
}

/* "hci0" is an adapter, "hci0:256" a connection of it. */
int hold_bluetooth(struct hold_case *c)
{
	const struct hold_links *l;
	int r = hold_view_bluetooth(c->view, &l);

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		const char *name = l->list[i].name, *colon = strchr(name, ':');
		char adapter[64];

		if (!colon || !hold_below(c, l->list[i].target))
			continue;
		(void)snprintf(adapter, sizeof(adapter), "%.*s", (int)(colon - name), name);
		r = hold_add(c, "net", HOLD_PLAIN, adapter, "has a Bluetooth connection open (%s)",
			name);
	}
	return r;
}
