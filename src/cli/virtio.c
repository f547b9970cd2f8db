/* SPDX-License-Identifier: MIT */
#include "cli/virtio.h"

#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/net.h"
#include "engine/storage.h"
#include "engine/vsock.h"
#include "view/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int virtio_take_rng(struct guest_spec *s, const struct verb *v, const char *text)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return option_wrong(v, "--rng: '%s' is neither on nor off", text);
	s->rng = strcmp(text, "on") == 0 ? GUEST_WISH_ON : GUEST_WISH_OFF;
	return 0;
}

static const char *const rings[] = {[GUEST_RINGS_SPLIT] = "split", [GUEST_RINGS_PACKED] = "packed"};

int virtio_take_rings(struct guest_spec *s, const struct verb *v, const char *text)
{
	for (size_t i = 0; i < COUNT(rings); i++) {
		if (strcmp(text, rings[i]) == 0) {
			s->rings = (enum guest_rings)i;
			return 0;
		}
	}
	return option_wrong(v, "--rings: '%s' is neither split nor packed", text);
}

int virtio_take_vsock(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	if (vsock_parse(s, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_take_disk(struct guest_spec *s, const struct verb *v, const char *text)
{
	struct guest_virtio disk = {.type = GUEST_VIRTIO_BLK};
	struct err e = {0};

	int r = disk_parse(text, &disk.disk, &e);
	if (r == 0)
		r = spec_add_virtio(s, &disk, &e);
	if (r == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_take_net(struct guest_spec *s, const struct verb *v, const char *text)
{
	struct err e = {0};

	if (net_add(s, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_take_share(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	if (spec_add_share(s, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_take_port(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	if (spec_add_port(s, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int virtio_take_console(struct guest_spec *s, const struct verb *v, const char *text)
{
	if (port_parse_console(text, &s->console) < 0)
		return option_wrong(v, "--console: '%s' is none of serial, virtio, none", text);
	s->has_console = true;
	return 0;
}

static void net_print(const struct guest_net *n)
{
	char mac[NET_MAC_TEXT];

	(void)printf("net: %s%s, mac %s",
		n->tap[0]       ? "tap "
		: n->backend[0] ? "vhost-user "
				: "user network",
		n->tap[0] ? n->tap : n->backend, net_mac_text(n->mac, mac));
	if (n->mtu)
		(void)printf(", mtu %u", n->mtu);
	if (n->queues > 1)
		(void)printf(", %u pairs of queues", n->queues);
	if (n->no_vhost)
		(void)printf(", without vhost");
	if (n->no_offload)
		(void)printf(", without offloads");
	for (size_t i = 0; i < n->forward_count; i++)
		(void)printf(", host port %s:%u to %u", n->forwards[i].udp ? "udp" : "tcp",
			n->forwards[i].host, n->forwards[i].guest);
	(void)printf("%s%s\n", n->host_loopback ? ", reaches the host's loopback" : "",
		n->is_default ? ", by default" : "");
}

static void disk_print(const struct guest_disk *d)
{
	(void)printf("disk: %s%s%s", d->path, d->format[0] ? ", " : "", d->format);
	if (disk_has_format(d))
		(void)printf(" by " STORAGE_PROGRAM ", which gets its files and nothing else");
	(void)printf("%s%s%s%s%s%s", d->backing[0] ? ", upon " : "", d->backing,
		d->readonly ? ", read-only" : "", d->serial[0] ? ", serial " : "", d->serial,
		d->direct == DISK_DIRECT_ON    ? ", direct"
		: d->direct == DISK_DIRECT_OFF ? ", by the page cache"
					       : "");
	if (d->queues > 1)
		(void)printf(", %u queues", d->queues);
	(void)printf(
		"%s\n", d->poll ? ", polled: its requests keep a processor of the host busy" : "");
}

static void share_print(const struct guest_share *s)
{
	const struct share_server server = share_server_find();

	(void)printf("share: %s as %s%s, by %s%s\n", s->path, s->tag,
		s->readonly ? ", read-only" : "", server.path ? server.path : "virtiofsd",
		server.is_of_qemu ? ", which runs as root and confines itself" : "");
}

/* @links: usher makes a link to a pseudo terminal; else the engine prints its name. */
static void port_print(const struct guest_spec *s, const struct guest_port *p, bool links)
{
	char path[PORT_PATH_MAX] = "";

	if (p->kind == GUEST_PORT_SOCKET || p->kind == GUEST_PORT_FILE ||
		(p->kind == GUEST_PORT_PTY && links))
		(void)port_path(p, BIND_STATE_DIR, s->name, path, sizeof(path));
	(void)printf("port: %s, %s%s%s\n", p->name,
		p->kind == GUEST_PORT_NONE ? "for 'usher console'" : port_kind_name(p->kind),
		path[0] ? " " : "", path);
}

/* Return: @buf; NULL: the host's kernel serves it, or @v is no vsock. */
static const char *vsock_door(
	const struct guest_spec *s, const struct guest_virtio *v, char buf[SPEC_SOCKET_MAX])
{
	if (v->type != GUEST_VIRTIO_VSOCK || !s->vsock_listens)
		return NULL;
	return vsock_path(s, BIND_STATE_DIR, buf, SPEC_SOCKET_MAX) < 0 ? NULL : buf;
}

static void vsock_print(const struct guest_spec *s, const struct guest_virtio *v)
{
	char buf[SPEC_SOCKET_MAX];
	const char *path = vsock_door(s, v, buf);

	(void)printf("vsock: CID %" PRIu64 "%s%s\n", v->cid, path ? ", by unix sockets at " : "",
		path ? path : "");
}

void virtio_print(const struct guest_spec *s, bool links)
{
	if (s->rings != GUEST_RINGS_SPLIT)
		(void)printf("rings of virtio devices: %s\n", rings[s->rings]);
	if (s->has_console)
		(void)printf("console: %s\n", port_console_name(s->console));
	for (size_t i = 0; i < s->port_count; i++)
		port_print(s, &s->ports[i], links);
	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			disk_print(&s->virtio[i].disk);
		else if (s->virtio[i].type == GUEST_VIRTIO_NET)
			net_print(&s->virtio[i].net);
		else if (s->virtio[i].type == GUEST_VIRTIO_FS)
			share_print(&s->virtio[i].share);
		else if (s->virtio[i].type == GUEST_VIRTIO_VSOCK)
			vsock_print(s, &s->virtio[i]);
		else
			(void)printf("virtio: %s\n", spec_virtio_name(s->virtio[i].type));
	}
	if (s->net_missing)
		(void)printf("net: none, because %s\n", s->net_missing);
}

static void disk_put(struct json *to, const struct guest_disk *d)
{
	static const char *const directs[] = {
		[DISK_DIRECT_AUTO] = "auto", [DISK_DIRECT_ON] = "on", [DISK_DIRECT_OFF] = "off"};

	json_put_text(to, "path", d->path);
	json_put_text(to, "format", d->format[0] ? d->format : "raw");
	json_put_text(to, "backing", d->backing[0] ? d->backing : NULL);
	json_put_text(to, "serial", d->serial[0] ? d->serial : NULL);
	json_put_flag(to, "readonly", d->readonly);
	json_put_text(to, "direct", directs[d->direct]);
	json_put_number(to, "queues", d->queues);
	json_put_flag(to, "poll", d->poll);
}

static void net_put(struct json *to, const struct guest_net *n)
{
	char mac[NET_MAC_TEXT];

	json_put_text(to, "tap", n->tap[0] ? n->tap : NULL);
	json_put_text(to, "backend", n->backend[0] ? n->backend : NULL);
	json_put_text(to, "mac", net_mac_text(n->mac, mac));
	if (n->mtu)
		json_put_number(to, "mtu", n->mtu);
	else
		json_put_null(to, "mtu");
	json_put_number(to, "queues", n->queues);
	json_put_flag(to, "vhost", n->tap[0] && !n->no_vhost);
	json_put_flag(to, "offload", n->tap[0] && !n->no_offload);
	json_put_flag(to, "host_loopback", n->host_loopback);
	json_put_flag(to, "by_default", n->is_default);
	struct json *list = json_put_list(to, "forwards");
	for (size_t i = 0; i < n->forward_count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "protocol", n->forwards[i].udp ? "udp" : "tcp");
		json_put_number(one, "host", n->forwards[i].host);
		json_put_number(one, "guest", n->forwards[i].guest);
	}
}

static void share_put(struct json *to, const struct guest_share *s)
{
	json_put_text(to, "path", s->path);
	json_put_text(to, "tag", s->tag);
	json_put_flag(to, "readonly", s->readonly);
}

static void ports_put(struct json *guest, const struct guest_spec *s)
{
	struct json *list = json_put_list(guest, "ports");

	for (size_t i = 0; i < s->port_count; i++) {
		const struct guest_port *p = &s->ports[i];
		struct json *one = json_push_map(list);
		json_put_text(one, "name", p->name);
		json_put_text(one, "end", port_kind_name(p->kind));
		json_put_text(one, "path", p->path[0] ? p->path : NULL);
	}
}

void virtio_put(struct json *guest, const struct guest_spec *s)
{
	json_put_text(guest, "console", port_console_name(s->console));
	json_put_text(guest, "rings", rings[s->rings]);
	json_put_text(guest, "net_missing", s->net_missing);
	ports_put(guest, s);
	struct json *list = json_put_list(guest, "virtio");
	char path[SPEC_SOCKET_MAX];

	for (size_t i = 0; i < s->virtio_count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "type", spec_virtio_name(s->virtio[i].type));
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			disk_put(json_put_map(one, "disk"), &s->virtio[i].disk);
		else
			json_put_null(one, "disk");
		if (s->virtio[i].type == GUEST_VIRTIO_NET)
			net_put(json_put_map(one, "net"), &s->virtio[i].net);
		else
			json_put_null(one, "net");
		if (s->virtio[i].type == GUEST_VIRTIO_FS)
			share_put(json_put_map(one, "share"), &s->virtio[i].share);
		else
			json_put_null(one, "share");
		if (s->virtio[i].type == GUEST_VIRTIO_VSOCK)
			json_put_number(one, "cid", s->virtio[i].cid);
		else
			json_put_null(one, "cid");
		json_put_text(one, "socket", vsock_door(s, &s->virtio[i], path));
	}
}
