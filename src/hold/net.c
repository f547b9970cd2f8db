/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: an interface is free only if nothing uses it or what stands on it, in any network
 * namespace; what usher has not looked at makes it unsure.
 *
 * These hold an interface: an address, a route, the SSH session that usher runs in, an upper
 * interface (bridge, bond, VLAN, PPP), whose addresses and routes count as well (stack.c), sockets
 * and protocols that need no address (protocol.c), and what only rtnetlink shows: macvlans of
 * containers, XDP, tc, routes of other tables (host/netuse.c). An interface in another network
 * namespace counts as held, since usher does not look at its use there.
 *
 * A listing starts no process, and so asks rtnetlink nothing.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether @a is the address that the SSH session came in by. */
static bool is_session(const struct hold_view *v, const struct host_net_address *a)
{
	uint8_t bytes[16];
	char text[64];

	/* A link-local address has its interface behind a '%'. */
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(v->ssh, "%"), v->ssh);
	return inet_pton(a->family, text, bytes) == 1 &&
	       memcmp(bytes, a->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

static bool is_link_local(const struct host_net_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* Return: 1 when the session comes in here, 0, -ENOMEM. */
static int find_session(const struct hold_stack *s)
{
	const struct hold_view *v = s->c->view;
	char above[32];

	for (size_t i = 0; v->ssh[0] && i < v->nr_addresses; i++) {
		const struct host_net_address *a = &v->addresses[i];

		if (!hold_stack_has(s, a->interface) || !is_session(v, a))
			continue;
		int r = hold_add(s->c, "net", HOLD_SESSION, s->names[0],
			"this SSH session comes in by it (%s)%s", v->ssh,
			hold_stack_through(s, a->interface, above, sizeof(above)));
		return r < 0 ? r : 1;
	}
	return 0;
}

/* What the routes of a stack come to. */
struct routes {
	unsigned count;
	bool is_default;
	char first[80]; /* "10.0.2.0/24 through br0" */
};

static void route_add(struct routes *r, const struct hold_stack *s, const char *name, int family,
	const void *bytes, unsigned prefix)
{
	char text[INET6_ADDRSTRLEN], above[32];

	(void)hold_stack_through(s, name, above, sizeof(above));
	if (prefix == 0 && !r->is_default)
		(void)snprintf(r->first, sizeof(r->first), "default%s", above);
	else if (r->count == 0 && inet_ntop(family, bytes, text, sizeof(text)))
		(void)snprintf(r->first, sizeof(r->first), "%s/%u%s", text, prefix, above);
	r->is_default = r->is_default || prefix == 0;
	r->count++;
}

/* "eth0 00000000 0202000A 0003 0 0 0 00000000 …": destination and mask in network order. */
static void find_routes4(const struct hold_stack *s, struct routes *r)
{
	for (const char *line = strchr(s->c->view->routes, '\n'); line; line = strchr(line, '\n')) {
		char name[HOLD_INTERFACE_MAX];
		uint32_t to, mask;

		line++;
		if (sscanf(line, "%15s %8x %*x %*x %*d %*d %*d %8x", name, &to, &mask) == 3 &&
			hold_stack_has(s, name))
			route_add(r, s, name, AF_INET, &to, (unsigned)__builtin_popcount(mask));
	}
}

/* Routes that every interface that is up has, or that lead nowhere. */
static bool is_idle_route6(const uint8_t *to, unsigned prefix, const char *flags)
{
	uint64_t bits;

	if (to[0] == 0xff || (to[0] == 0xfe && (to[1] & 0xc0) == 0x80) || prefix == 128)
		return true;
	return num_parse(flags, 16, UINT32_MAX, &bits) < 0 || bits & 0x0200; /* RTF_REJECT */
}

/* "DEST PREFIX SOURCE PREFIX NEXT METRIC REF USE FLAGS INTERFACE", numbers in hex. */
static void find_routes6(const struct hold_stack *s, struct routes *r)
{
	const char *line = s->c->view->routes6;

	for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char dest[33], flags[9], name[HOLD_INTERFACE_MAX];
		uint8_t to[16];
		unsigned prefix, n = 0;

		if (sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %8s %15s", dest, &prefix, flags,
			    name) != 4 ||
			!hold_stack_has(s, name))
			continue;
		for (; n < 16 && sscanf(dest + 2UL * n, "%2hhx", &to[n]) == 1; n++)
			;
		if (n == 16 && !is_idle_route6(to, prefix, flags))
			route_add(r, s, name, AF_INET6, to, prefix);
	}
}

#define DEFAULT "default" /* as a destination */

/* Return: 1 when there are routes, 0, -ENOMEM. */
static int find_routes(const struct hold_stack *s)
{
	struct routes routes = {0};

	find_routes4(s, &routes);
	find_routes6(s, &routes);
	if (routes.count == 0)
		return 0;
	char more[32] = "";
	if (routes.count > 1)
		(void)snprintf(more, sizeof(more), " and %u more", routes.count - 1);
	bool is_default = strncmp(routes.first, DEFAULT, strlen(DEFAULT)) == 0;
	int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "carries the %s%s%s",
		is_default ? "default route" : "route to ",
		is_default ? routes.first + strlen(DEFAULT) : routes.first, more);
	return r < 0 ? r : 1;
}

/* Return: 1 when there is one, 0, -ENOMEM. */
static int find_address(const struct hold_stack *s)
{
	const struct hold_view *v = s->c->view;
	char text[INET6_ADDRSTRLEN], above[32];

	for (size_t i = 0; i < v->nr_addresses; i++) {
		const struct host_net_address *a = &v->addresses[i];

		if (!hold_stack_has(s, a->interface) || is_link_local(a) ||
			!inet_ntop(a->family, a->bytes, text, sizeof(text)))
			continue;
		int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "has the address %s/%u%s",
			text, a->prefix, hold_stack_through(s, a->interface, above, sizeof(above)));
		return r < 0 ? r : 1;
	}
	return 0;
}

#define FLAG_UP 0x1 /* IFF_UP */

/* An interface that is down keeps its addresses, but they are unreachable. */
static bool is_up(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX];
	uint64_t flags;

	return file_path(path, sizeof(path), "/sys/class/net/%s/flags", name) < 0 ||
	       host_read_number(h, path, &flags) < 0 || flags & FLAG_UP;
}

/* "sleep (pid 7, root)", "/run/netns/box". */
static void use_owner(struct hold_view *v, const struct host_net_use *u, char *buf, size_t size)
{
	struct host_holder o = {.pid = u->pid, .uid = u->uid};

	(void)snprintf(buf, size, "%s", u->owner);
	if (!u->pid)
		return;
	(void)snprintf(o.comm, sizeof(o.comm), "%.16s", u->owner);
	hold_process_name(v, &o, buf, size);
}

/* A use in our own namespace: "runs XDP (program 12) through br0". */
static int use_tell(const struct hold_stack *s, const struct host_net_use *u)
{
	static const char *const texts[] = {
		[HOST_NET_XDP] = "runs XDP",
		[HOST_NET_FILTER] = "has filters of tc",
		[HOST_NET_TARGET] = "gets packets that tc redirects",
		[HOST_NET_ROUTE] = "carries the route to",
		[HOST_NET_RULE] = "is named in a routing rule",
	};
	bool is_route = u->kind == HOST_NET_ROUTE;
	char above[32], detail[80] = "";

	if (is_route && strcmp(u->detail, DEFAULT) == 0)
		return hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "carries the default route%s",
			hold_stack_through(s, u->lower, above, sizeof(above)));
	if (u->detail[0])
		(void)snprintf(detail, sizeof(detail), is_route ? " %s" : " (%s)", u->detail);
	return hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "%s%s%s", texts[u->kind], detail,
		hold_stack_through(s, u->lower, above, sizeof(above)));
}

/* What only rtnetlink shows. */
static int find_uses(const struct hold_stack *s)
{
	struct hold_view *v = s->c->view;
	char owner[128], above[32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->use_count; i++) {
		const struct host_net_use *u = &v->uses[i];

		if (u->kind == HOST_NET_AWAY || !hold_stack_has(s, u->lower))
			continue;
		if (u->kind != HOST_NET_UPPER) {
			r = use_tell(s, u);
		} else if (u->owner[0]) {
			use_owner(v, u, owner, sizeof(owner));
			r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
				"carries %s%s in another network namespace: %s", u->name,
				hold_stack_through(s, u->lower, above, sizeof(above)), owner);
		}
	}
	/* hold_fd() reports it already if other processes are hidden. */
	if (r == 0 && v->uses_error && !v->blind)
		r = hold_add(s->c, "net", HOLD_UNSURE, s->names[0],
			"whether a container uses it cannot be told: %s", strerror(-v->uses_error));
	return r;
}

/* Interfaces on top of ours that sysfs does not link: tunnels, representors. */
static void stack_fill_unlinked(struct hold_stack *s)
{
	const struct hold_view *v = s->c->view;

	for (size_t before = 0; before != s->count;) {
		before = s->count;
		for (size_t i = 0; i < v->use_count; i++) {
			const struct host_net_use *u = &v->uses[i];
			if (u->kind == HOST_NET_UPPER && !u->owner[0] &&
				hold_stack_has(s, u->lower))
				hold_stack_fill(s, u->name);
		}
	}
}

static int stack_fill(struct hold_stack *s, const char *name)
{
	int r = hold_view_uses(s->c->view);

	if (r < 0)
		return r;
	hold_stack_fill(s, name);
	stack_fill_unlinked(s);
	return hold_stack_fill_ppp(s);
}

static int find_traffic(const struct hold_stack *s)
{
	int r = find_session(s);

	if (r >= 0 && is_up(s->c->view->host, s->names[0])) {
		int routes = find_routes(s);
		r = routes == 0 ? find_address(s) : routes;
	}
	if (r >= 0 && s->count > 1)
		r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "part of %s", s->names[1]);
	return r < 0 ? r : 0;
}

static int interface_judge(struct hold_case *c, const char *name)
{
	struct hold_stack s = {.c = c};
	size_t before = c->found->count;

	int r = stack_fill(&s, name);
	if (r < 0 || s.count == 0)
		return r;
	r = find_traffic(&s);
	/* In a listing one user is enough. */
	if (r < 0 || (c->view->is_listing && c->found->count > before))
		return r;
	r = hold_protocols(&s);
	return r < 0 ? r : find_uses(&s);
}

/* A listing looks into no other namespace, so it cannot say that none uses the device. */
static int doubt_listing(struct hold_case *c, const char *name)
{
	if (!c->view->is_listing || c->found->count || !hold_view_other_nets(c->view))
		return 0;
	return hold_add(c, "net", HOLD_UNSURE, name, "another network namespace may use it");
}

static int stop_at_name(void *arg, const char *name)
{
	return 1;
}

/* Whether a device of that name, on any bus, is the PCI function or below it. */
static bool is_ours(struct hold_case *c, const char *name)
{
	const struct hold_links *l;

	if (strcmp(name, c->address) == 0)
		return true;
	if (hold_view_nested(c->view, &l) < 0)
		return false;
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->list[i].name, name) == 0 && hold_below(c, l->list[i].target))
			return true;
	return false;
}

/* Interfaces of the device that another namespace has shown. Return: how many, -errno. */
static int find_told_away(struct hold_case *c)
{
	struct hold_view *v = c->view;
	char owner[128];
	int count = 0;

	int r = hold_view_uses(v);
	for (size_t i = 0; r == 0 && i < v->use_count; i++) {
		const struct host_net_use *u = &v->uses[i];

		if (u->kind != HOST_NET_AWAY || !is_ours(c, u->detail))
			continue;
		use_owner(v, u, owner, sizeof(owner));
		r = hold_add(c, "net", HOLD_PLAIN, "net",
			"its interface %s is in another network namespace: %s", u->name, owner);
		count++;
	}
	return r < 0 ? r : count;
}

/*
 * The kernel makes a `net` folder for the first interface below a device and takes it away with the
 * last, and lists in it the interfaces of the reader's own namespace only: so an empty one means an
 * interface elsewhere. A driver without interfaces (vfio-pci, those of DPDK) has no such folder.
 */
static int find_away(struct hold_case *c, const char *folder, bool *told)
{
	struct host *h = c->view->host;
	char path[FILE_PATH_MAX];

	if (*told || file_path(path, sizeof(path), "%s/net", folder) < 0)
		return 0;
	int names = h->ops->list(h, path, stop_at_name, NULL);
	if (names < 0)
		return 0;
	int count = find_told_away(c);
	*told = count > 0;
	if (count || names)
		return count < 0 ? count : 0;
	return hold_add(c, "net", HOLD_PLAIN, "net",
		"its interface is in another network namespace, where usher cannot look");
}

#define BASE_NETWORK 0x02
#define BASE_WIRELESS 0x0d
#define CLASS_USB 0x0c03

static bool may_have_interfaces(const struct pci_device *d)
{
	return d->class >> 16 == BASE_NETWORK || d->class >> 16 == BASE_WIRELESS ||
	       d->class >> 8 == CLASS_USB;
}

/* The interface is below the function itself, or below its USB, virtio or auxiliary device. */
static int interface_judge_away(struct hold_case *c)
{
	const struct hold_links *l;
	char folder[FILE_PATH_MAX];

	bool told = false;

	if (!c->device->driver[0])
		return 0;
	int r = file_path(folder, sizeof(folder), "/sys/bus/pci/devices/%s", c->address);
	if (r == 0)
		r = find_away(c, folder, &told);
	if (r < 0 || !may_have_interfaces(c->device))
		return r;
	r = hold_view_nested(c->view, &l);
	for (size_t i = 0; r == 0 && i < l->count; i++) {
		const char *target = strstr(l->list[i].target, "/devices/");
		if (target && hold_below(c, target) &&
			file_path(folder, sizeof(folder), "/sys%s", target) == 0)
			r = find_away(c, folder, &told);
	}
	return r;
}

int hold_net(struct hold_case *c)
{
	const struct hold_links *l = &c->view->net;
	const char *first = NULL;
	int r = interface_judge_away(c);

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		if (!hold_below(c, l->list[i].target))
			continue;
		first = first ? first : l->list[i].name;
		r = hold_view_routes(c->view);
		if (r == 0)
			r = interface_judge(c, l->list[i].name);
	}
	if (r == 0 && first)
		r = doubt_listing(c, first);
	return r < 0 || !may_have_interfaces(c->device) ? r : hold_bluetooth(c);
}
