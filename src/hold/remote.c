/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A host whose root lies on NFS, on iSCSI or on NVMe over Fabrics does not outlive its network
 * card. usher finds the servers of what the host needs (a network file system, or the disks at the
 * bottom of a stack of volumes), and the interface by which the kernel reaches each: it applies
 * rules and all tables of routing. Snapshots of before have the main table alone.
 *
 * Invariant: where a server's address or its route is not known, the file system may come over any
 * interface that is up, and that cannot be told.
 */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 8 /* of volumes, and of interfaces above one another */
#define NAME_MAX_NET 16 /* IFNAMSIZ; also of struct hold_remote */

struct remote_search {
	struct hold_view *view;
	const char *where;
	unsigned depth;
};

static bool address_parse(const char *text, int *family, uint8_t bytes[16])
{
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*family, text, bytes) == 1;
}

/* "KEY=VALUE" among "a=b,KEY=VALUE,…". Return: whether it fits. */
static bool option_read(const char *list, const char *key, char *buf, size_t size)
{
	size_t length = strlen(key);

	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, key, length) == 0 && p[length] == '=')
			return file_path(buf, size, "%.*s", (int)strcspn(p + length + 1, ","),
				       p + length + 1) == 0;
	return false;
}

static bool type_is_remote(const struct hold_mount *m)
{
	static const char *const types[] = {
		"nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "fuse.glusterfs", "fuse.sshfs"};

	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(m->type, types[i]) == 0)
			return true;
	return strcmp(m->type, "9p") == 0 && strstr(m->options, "trans=tcp");
}

/*
 * The longest prefix among "eth0 DESTINATION GATEWAY FLAGS REFS USE METRIC MASK …", numbers in hex
 * and network order.
 */
static bool route4_find(struct host *h, const uint8_t bytes[16], char name[NAME_MAX_NET])
{
	cleanup_free char *text = NULL;
	uint32_t address, to, mask, best = 0;
	bool found = false;

	memcpy(&address, bytes, sizeof(address));
	if (host_read_all(h, "/proc/net/route", &text) < 0)
		return false;
	for (const char *line = strchr(text, '\n'); line; line = strchr(line, '\n')) {
		char interface[NAME_MAX_NET];

		line++;
		if (sscanf(line, "%15s %8x %*x %*x %*d %*d %*d %8x", interface, &to, &mask) != 3 ||
			(address & mask) != to || (found && ntohl(mask) <= ntohl(best)))
			continue;
		best = mask;
		found = true;
		memcpy(name, interface, NAME_MAX_NET);
	}
	return found;
}

static bool prefix_matches(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* "DEST PREFIX SOURCE PREFIX NEXT METRIC REF USE FLAGS INTERFACE", numbers in hex. */
static bool route6_find(struct host *h, const uint8_t bytes[16], char name[NAME_MAX_NET])
{
	cleanup_free char *text = NULL;
	unsigned prefix, best = 0;
	bool found = false;

	if (host_read_all(h, "/proc/net/ipv6_route", &text) < 0)
		return false;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char to[33], interface[NAME_MAX_NET];
		uint8_t dest[16];
		unsigned n = 0;

		if (sscanf(p, "%32s %x %*s %*s %*s %*s %*s %*s %*s %15s", to, &prefix, interface) !=
				3 ||
			prefix > 128 || strcmp(interface, "lo") == 0)
			continue;
		while (n < 16 && sscanf(to + 2 * (size_t)n, "%2hhx", &dest[n]) == 1)
			n++;
		if (n != 16 || !prefix_matches(dest, bytes, prefix) || (found && prefix <= best))
			continue;
		best = prefix;
		found = true;
		memcpy(name, interface, NAME_MAX_NET);
	}
	return found;
}

static bool way_read(struct host *h, int family, const uint8_t bytes[16], char name[NAME_MAX_NET])
{
	if (host_way(h, family, bytes, name) == 0)
		return true;
	return family == AF_INET ? route4_find(h, bytes, name) : route6_find(h, bytes, name);
}

/* Adds what is mounted at @where from a server; @address: "" when it is unknown. */
static int remote_add(struct hold_view *v, const char *where, const char *type, const char *address)
{
	struct hold_remote *list = reallocarray(v->remotes, v->remote_count + 1, sizeof(*list));
	uint8_t bytes[16];
	int family;

	if (!list)
		return -ENOMEM;
	v->remotes = list;
	struct hold_remote *x = &list[v->remote_count++];
	*x = (struct hold_remote){.where = where};
	(void)snprintf(x->type, sizeof(x->type), "%s", type);
	(void)snprintf(x->address, sizeof(x->address), "%s", address);
	if (!address_parse(address, &family, bytes) ||
		!way_read(v->host, family, bytes, x->interface))
		x->interface[0] = '\0';
	return 0;
}

static int mount_read(struct hold_view *v, const struct hold_mount *m, const char *where)
{
	const char *source = m->source + (m->source[0] == '[');
	size_t n = strcspn(source, m->source[0] == '[' ? "]" : ":,/");
	char address[64];

	if (!option_read(m->options, "addr", address, sizeof(address)) &&
		file_path(address, sizeof(address), "%.*s", (int)n, source) < 0)
		address[0] = '\0';
	return remote_add(v, where, m->type, address);
}

/* ".../session1/target0:0:0/…": its connection has the address of the target. */
static int iscsi_read(struct hold_view *v, const char *where, const char *session)
{
	char path[FILE_PATH_MAX], address[64];
	unsigned number;

	if (sscanf(session, "/session%u/", &number) != 1)
		return 0;
	(void)snprintf(
		path, sizeof(path), "/sys/class/iscsi_connection/connection%u:0/address", number);
	if (host_read_text(v->host, path, address, sizeof(address)) < 0)
		address[0] = '\0';
	return remote_add(v, where, "iscsi", address);
}

/* "nvme1/nvme1n1": "traddr=192.0.2.1,trsvcid=4420,…" of the controller. */
static int fabrics_read(struct hold_view *v, const char *where, const char *controller)
{
	char path[FILE_PATH_MAX], text[256], address[64];

	if (file_path(path, sizeof(path), "/sys/class/nvme/%.*s/address",
		    (int)strcspn(controller, "/"), controller) < 0 ||
		host_read_text(v->host, path, text, sizeof(text)) < 0 ||
		!option_read(text, "traddr", address, sizeof(address)))
		address[0] = '\0';
	return remote_add(v, where, "nvme", address);
}

static int disk_read(struct remote_search *s, const char *name);

static int lower_disk_read(void *arg, const char *name)
{
	struct remote_search *s = arg;

	s->depth++;
	int r = s->depth < DEPTH_MAX ? disk_read(s, name) : 0;
	s->depth--;
	return r;
}

#define SUBSYSTEMS "/nvme-subsystem/"
#define FABRICS "/nvme-fabrics/ctl/"

/* A disk with native multipath is below its subsystem, which links to its controllers. */
static int controller_read(void *arg, const char *name)
{
	struct remote_search *s = arg;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	if (file_path(path, sizeof(path), "/sys/class/nvme/%s", name) < 0 ||
		s->view->host->ops->link(s->view->host, path, target, sizeof(target)) < 0 ||
		!strstr(target, FABRICS))
		return 0;
	return fabrics_read(s->view, s->where, name);
}

static int subsystem_read(struct remote_search *s, const char *subsystem)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/class/nvme-subsystem/%.*s",
		    (int)strcspn(subsystem, "/"), subsystem) < 0)
		return 0;
	int r = s->view->host->ops->list(s->view->host, path, controller_read, s);
	return r == -ENOMEM ? r : 0;
}

/* Down from a disk to those that it is made of. */
static int disk_read(struct remote_search *s, const char *name)
{
	struct hold_view *v = s->view;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	if (file_path(path, sizeof(path), "/sys/class/block/%s", name) < 0 ||
		v->host->ops->link(v->host, path, target, sizeof(target)) < 0)
		return 0;
	const char *session = strstr(target, "/session"), *ctl = strstr(target, FABRICS);
	const char *subsystem = strstr(target, SUBSYSTEMS);
	if (session)
		return iscsi_read(v, s->where, session);
	if (ctl)
		return fabrics_read(v, s->where, ctl + sizeof(FABRICS) - 1);
	if (subsystem)
		return subsystem_read(s, subsystem + sizeof(SUBSYSTEMS) - 1);
	if (strncmp(name, "nbd", 3) == 0 || strncmp(name, "rbd", 3) == 0)
		return remote_add(v, s->where, name, "");
	if (file_path(path, sizeof(path), "/sys/class/block/%s/slaves", name) < 0)
		return 0;
	int r = v->host->ops->list(v->host, path, lower_disk_read, s);
	return r == -ENOMEM ? r : 0;
}

static int need_read(struct hold_view *v, const struct hold_mount *m, const char *where)
{
	struct remote_search s = {.view = v, .where = where};
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];
	dev_t number = m->number;

	if (type_is_remote(m))
		return mount_read(v, m, where);
	if (hold_number_is_anonymous(number))
		number = m->node;
	if (!number ||
		file_path(path, sizeof(path), "/sys/dev/block/%u:%u", major(number),
			minor(number)) < 0 ||
		v->host->ops->link(v->host, path, target, sizeof(target)) < 0)
		return 0;
	return disk_read(&s, file_base(target));
}

static bool need_is_seen(const struct hold_view *v, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (v->mounts[i].number == v->mounts[at].number &&
			hold_mount_is_needed(&v->mounts[i]))
			return true;
	return false;
}

static int remotes_read(struct hold_view *v)
{
	if (v->has_remotes)
		return 0;
	v->has_remotes = true;
	int r = hold_view_disks(v);
	for (size_t i = 0; r == 0 && i < v->mount_count; i++)
		if (hold_mount_is_needed(&v->mounts[i]) && !need_is_seen(v, i))
			r = need_read(v, &v->mounts[i], v->mounts[i].where);
	for (size_t i = 0; r == 0 && i < v->layer_count; i++)
		if (v->layers[i].mount)
			r = need_read(v, v->layers[i].mount, v->layers[i].where);
	return r;
}

struct lower_search {
	struct hold_case *c;
	unsigned depth;
	bool found;
};

static bool interface_is_ours(struct hold_case *c, const char *name, unsigned depth);

/* A bond, a bridge or a VLAN has "lower_eth0" for each interface below it. */
static int lower_look(void *arg, const char *name)
{
	struct lower_search *s = arg;

	if (strncmp(name, "lower_", 6) == 0)
		s->found = s->found || interface_is_ours(s->c, name + 6, s->depth + 1);
	return 0;
}

static bool interface_is_ours(struct hold_case *c, const char *name, unsigned depth)
{
	const struct hold_links *l = &c->view->net;
	struct lower_search s = {.c = c, .depth = depth};
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->list[i].name, name) == 0 && hold_below(c, l->list[i].target))
			return true;
	if (depth < DEPTH_MAX && file_path(path, sizeof(path), "/sys/class/net/%s", name) == 0)
		(void)c->view->host->ops->list(c->view->host, path, lower_look, &s);
	return s.found;
}

static int lower_seen(void *arg, const char *name)
{
	return strncmp(name, "lower_", 6) == 0;
}

/* The first interface of the device that is up, and so may carry anything; NULL for none. */
static const char *interface_up(struct hold_case *c)
{
	const struct hold_links *l = &c->view->net;
	char path[FILE_PATH_MAX];
	uint64_t flags;

	for (size_t i = 0; i < l->count; i++)
		if (hold_below(c, l->list[i].target) &&
			file_path(path, sizeof(path), "/sys/class/net/%s/flags", l->list[i].name) ==
				0 &&
			(host_read_number(c->view->host, path, &flags) < 0 || flags & 1))
			return l->list[i].name;
	return NULL;
}

/* Whether the way of an interface ends out of sight: a tunnel, or this host itself. */
static bool interface_hides_way(struct hold_case *c, const char *name)
{
	const struct hold_links *l = &c->view->net;
	char path[FILE_PATH_MAX];

	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->list[i].name, name) == 0 && !strstr(l->list[i].target, "/virtual/"))
			return false;
	return file_path(path, sizeof(path), "/sys/class/net/%s", name) < 0 ||
	       c->view->host->ops->list(c->view->host, path, lower_seen, NULL) != 1;
}

/* @name if it is an interface of the device, else the device's first one. */
static const char *interface_name(struct hold_case *c, const char *name)
{
	const struct hold_links *l = &c->view->net;
	const char *first = NULL;

	for (size_t i = 0; i < l->count; i++) {
		if (!hold_below(c, l->list[i].target))
			continue;
		if (strcmp(l->list[i].name, name) == 0)
			return l->list[i].name;
		first = first ? first : l->list[i].name;
	}
	return first ? first : name;
}

static int remote_judge(struct hold_case *c, const struct hold_remote *m)
{
	char through[32] = "";

	if (*m->interface && interface_is_ours(c, m->interface, 0)) {
		const char *name = interface_name(c, m->interface);
		if (strcmp(name, m->interface) != 0)
			(void)snprintf(through, sizeof(through), " through %s", m->interface);
		return hold_add(c, "net", HOLD_ABSOLUTE, name,
			"what is mounted at %s comes over it%s (%s, %s)", m->where, through,
			m->type, m->address);
	}
	if (*m->interface && !interface_hides_way(c, m->interface))
		return 0;
	const char *up = interface_up(c);
	if (!up)
		return 0;
	return hold_add(c, "net", HOLD_UNSURE, up,
		"whether what is mounted at %s (%s) comes over it cannot be told", m->where,
		m->type);
}

int hold_remote(struct hold_case *c)
{
	struct hold_view *v = c->view;
	bool has_interface = false;
	int r = 0;

	for (size_t i = 0; !has_interface && i < v->net.count; i++)
		has_interface = hold_below(c, v->net.list[i].target);
	if (!has_interface)
		return 0;
	r = remotes_read(v);
	for (size_t i = 0; r == 0 && i < v->remote_count; i++)
		r = remote_judge(c, &v->remotes[i]);
	return r;
}
