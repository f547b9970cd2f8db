/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces below a device. These hold an interface: an address, a route, the SSH session
 * that usher runs in, and an upper interface (bridge, bond, VLAN), whose addresses and routes count
 * as well. An interface in another network namespace counts as held, since usher cannot see its
 * use. A macvlan or VLAN of a container on top of an interface holds it, too.
 */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_NET 16 /* IFNAMSIZ */
#define STACK_MAX 16 /* interfaces above one another */

/* An interface and its upper interfaces, the lowest first. */
struct stack {
	struct hold_case *c;
	size_t count;
	char names[STACK_MAX][NAME_MAX_NET];
};

static bool stack_has(const struct stack *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->names[i], name) == 0)
			return true;
	return false;
}

static void stack_add(struct stack *s, const char *name)
{
	if (s->count < STACK_MAX && strlen(name) < NAME_MAX_NET && !stack_has(s, name))
		memcpy(s->names[s->count++], name, strlen(name) + 1);
}

/* Each port of br0 has "upper_br0" in its folder. */
static int add_upper(void *arg, const char *name)
{
	if (strncmp(name, "upper_", 6) == 0)
		stack_add(arg, name + 6);
	return 0;
}

static void stack_fill(struct stack *s, const char *name)
{
	struct host *h = s->c->view->host;
	char path[FILE_PATH_MAX], master[64];

	stack_add(s, name);
	for (size_t i = 0; i < s->count; i++) {
		if (file_path(path, sizeof(path), "/sys/class/net/%s/master", s->names[i]) == 0 &&
			host_link_name(h, path, master, sizeof(master)) > 0)
			stack_add(s, master);
		if (file_path(path, sizeof(path), "/sys/class/net/%s", s->names[i]) == 0)
			(void)h->ops->list(h, path, add_upper, s);
	}
}

/* " through br0" for an interface above the lowest. */
static const char *stack_through(const struct stack *s, const char *name, char *buf, size_t size)
{
	bool lowest = strcmp(s->names[0], name) == 0;

	(void)snprintf(buf, size, "%s%s", lowest ? "" : " through ", lowest ? "" : name);
	return buf;
}

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
static int find_session(const struct stack *s)
{
	const struct hold_view *v = s->c->view;
	char above[32];

	for (size_t i = 0; v->ssh[0] && i < v->nr_addresses; i++) {
		const struct host_net_address *a = &v->addresses[i];

		if (!stack_has(s, a->interface) || !is_session(v, a))
			continue;
		int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
			"this SSH session comes in by it (%s)%s", v->ssh,
			stack_through(s, a->interface, above, sizeof(above)));
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

static void route_add(struct routes *r, const struct stack *s, const char *name, int family,
	const void *bytes, unsigned prefix)
{
	char text[INET6_ADDRSTRLEN], above[32];

	(void)stack_through(s, name, above, sizeof(above));
	if (prefix == 0 && !r->is_default)
		(void)snprintf(r->first, sizeof(r->first), "default%s", above);
	else if (r->count == 0 && inet_ntop(family, bytes, text, sizeof(text)))
		(void)snprintf(r->first, sizeof(r->first), "%s/%u%s", text, prefix, above);
	r->is_default = r->is_default || prefix == 0;
	r->count++;
}

/* "eth0 00000000 0202000A 0003 0 0 0 00000000 …": destination and mask in network order. */
static void find_routes4(const struct stack *s, struct routes *r)
{
	for (const char *line = strchr(s->c->view->routes, '\n'); line; line = strchr(line, '\n')) {
		char name[NAME_MAX_NET];
		uint32_t to, mask;

		line++;
		if (sscanf(line, "%15s %8x %*x %*x %*d %*d %*d %8x", name, &to, &mask) == 3 &&
			stack_has(s, name))
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
static void find_routes6(const struct stack *s, struct routes *r)
{
	const char *line = s->c->view->routes6;

	for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char dest[33], flags[9], name[NAME_MAX_NET];
		uint8_t to[16];
		unsigned prefix, n = 0;

		if (sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %8s %15s", dest, &prefix, flags,
			    name) != 4 ||
			!stack_has(s, name))
			continue;
		for (; n < 16 && sscanf(dest + 2UL * n, "%2hhx", &to[n]) == 1; n++)
			;
		if (n == 16 && !is_idle_route6(to, prefix, flags))
			route_add(r, s, name, AF_INET6, to, prefix);
	}
}

/* Return: 1 when there are routes, 0, -ENOMEM. */
static int find_routes(const struct stack *s)
{
	struct routes routes = {0};

	find_routes4(s, &routes);
	find_routes6(s, &routes);
	if (routes.count == 0)
		return 0;
	char more[32] = "";
	if (routes.count > 1)
		(void)snprintf(more, sizeof(more), " and %u more", routes.count - 1);
	int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "carries the route to %s%s",
		routes.first, more);
	return r < 0 ? r : 1;
}

/* Return: 1 when there is one, 0, -ENOMEM. */
static int find_address(const struct stack *s)
{
	const struct hold_view *v = s->c->view;
	char text[INET6_ADDRSTRLEN], above[32];

	for (size_t i = 0; i < v->nr_addresses; i++) {
		const struct host_net_address *a = &v->addresses[i];

		if (!stack_has(s, a->interface) || is_link_local(a) ||
			!inet_ntop(a->family, a->bytes, text, sizeof(text)))
			continue;
		int r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0], "has the address %s/%u%s",
			text, a->prefix, stack_through(s, a->interface, above, sizeof(above)));
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

/* Upper interfaces in other network namespaces. */
static int find_uppers(const struct stack *s)
{
	struct hold_view *v = s->c->view;
	char owner[128], above[32];

	int r = hold_view_uppers(v);
	for (size_t i = 0; r == 0 && i < v->upper_count; i++) {
		const struct host_net_upper *u = &v->uppers[i];
		struct host_holder o = {.pid = u->pid, .uid = u->uid};

		if (!stack_has(s, u->lower))
			continue;
		(void)snprintf(o.comm, sizeof(o.comm), "%.16s", u->owner);
		if (u->pid)
			hold_process_name(v, &o, owner, sizeof(owner));
		r = hold_add(s->c, "net", HOLD_PLAIN, s->names[0],
			"carries %s%s in another network namespace: %s", u->name,
			stack_through(s, u->lower, above, sizeof(above)),
			u->pid ? owner : u->owner);
	}
	/* hold_fd() reports it already if other processes are hidden. */
	if (r == 0 && v->uppers_error && !v->blind)
		r = hold_add(s->c, "net", HOLD_UNSURE, s->names[0],
			"whether a container uses it cannot be told: %s",
			strerror(-v->uppers_error));
	return r;
}

static int interface_judge(struct hold_case *c, const char *name)
{
	struct stack s = {.c = c};

	stack_fill(&s, name);
	if (s.count == 0)
		return 0;
	int r = find_session(&s);
	if (r >= 0 && is_up(c->view->host, name)) {
		int routes = find_routes(&s);
		r = routes == 0 ? find_address(&s) : routes;
	}
	if (r >= 0 && s.count > 1)
		r = hold_add(c, "net", HOLD_PLAIN, s.names[0], "part of %s", s.names[1]);
	return r < 0 ? r : find_uppers(&s);
}

static int stop_at_name(void *arg, const char *name)
{
	return 1;
}

/*
 * The kernel makes a `net` folder for the first interface below a device and takes it away with the
 * last, and lists in it the interfaces of the reader's own namespace only: so an empty one means an
 * interface elsewhere. A driver without interfaces (vfio-pci, those of DPDK) has no such folder.
 */
static int find_away(struct hold_case *c, const char *folder)
{
	struct host *h = c->view->host;
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/net", folder) < 0 ||
		h->ops->list(h, path, stop_at_name, NULL) != 0)
		return 0;
	return hold_add(c, "net", HOLD_PLAIN, "net",
		"its interface is in another network namespace, where usher cannot look");
}

#define BASE_NETWORK 0x02
#define CLASS_USB 0x0c03

/* The interface is below the function itself, or below its USB or virtio device. */
static int interface_judge_away(struct hold_case *c)
{
	const struct pci_device *d = c->device;
	const struct hold_links *l;
	char folder[FILE_PATH_MAX];

	if (!d->driver[0])
		return 0;
	int r = file_path(folder, sizeof(folder), "/sys/bus/pci/devices/%s", c->address);
	if (r == 0)
		r = find_away(c, folder);
	if (r < 0 || (d->class >> 16 != BASE_NETWORK && d->class >> 8 != CLASS_USB))
		return r;
	r = hold_view_nested(c->view, &l);
	for (size_t i = 0; r == 0 && i < l->count; i++) {
		const char *target = strstr(l->list[i].target, "/devices/");
		if (target && hold_below(c, target) &&
			file_path(folder, sizeof(folder), "/sys%s", target) == 0)
			r = find_away(c, folder);
	}
	return r;
}

int hold_net(struct hold_case *c)
{
	const struct hold_links *l = &c->view->net;
	int r = interface_judge_away(c);

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		if (!hold_below(c, l->list[i].target))
			continue;
		r = hold_view_routes(c->view);
		if (r == 0)
			r = interface_judge(c, l->list[i].name);
	}
	return r;
}
