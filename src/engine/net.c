/* SPDX-License-Identifier: MIT */
#include "engine/net.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/backend.h"
#include "engine/net/macvtap.h"
#include "engine/net/passt.h"
#include "program/command.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX 512
#define MTU_LEAST 68 /* Ref: virtio 1.2, 5.1.4 */
#define VNET_HEADER 12 /* [bytes] struct virtio_net_hdr_v1 */

static const char net_keys[] =
	"keys: tap=NAME, user, vhost-user or none, mac=MAC, mtu=N; of a tap queues=N, vhost=off "
	"and offload=off; of vhost-user path=SOCKET; of a user network forward=tcp:HOST:GUEST "
	"and host-loopback=yes";

/* Six bytes of two hexadecimal digits. sscanf() takes spaces and signs as well. */
static bool mac_scan(const char *text, uint8_t mac[6])
{
	unsigned byte;

	if (strlen(text) != NET_MAC_TEXT - 1)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		const char *at = text + 3 * i;
		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
			(i < 5 && at[2] != ':') || sscanf(at, "%2x", &byte) != 1)
			return false;
		mac[i] = (uint8_t)byte;
	}
	return true;
}

static int net_parse_mac(const char *text, struct guest_net *n, struct err *e)
{
	static const uint8_t nobody[6];

	if (!mac_scan(text, n->mac))
		return err_say(e, -EINVAL, "--net: mac=%.40s: not like 02:00:00:12:34:56", text);
	if (n->mac[0] & 1)
		return err_say(e, -EINVAL,
			"--net: mac=%s: a group's address; the first byte of a card's is even",
			text);
	if (memcmp(n->mac, nobody, sizeof(nobody)) == 0)
		return err_say(e, -EINVAL,
			"--net: mac=%s: no card has this address, and a driver refuses it", text);
	n->has_mac = true;
	return 0;
}

static int net_parse_tap(const char *text, struct guest_net *n, struct err *e)
{
	size_t len = strlen(text);

	if (!len || len >= sizeof(n->tap) || strpbrk(text, "/ ") || text[0] == '.')
		return err_say(e, -EINVAL, "--net: tap=%.40s: not an interface's name", text);
	(void)snprintf(n->tap, sizeof(n->tap), "%s", text);
	return 0;
}

static int net_parse_backend(const char *text, struct guest_net *n, struct err *e)
{
	if (text[0] != '/' || strlen(text) >= sizeof(n->backend))
		return err_say(e, -EINVAL,
			"--net: path=%.60s: not the absolute path of a socket, of up to %d bytes",
			text, SPEC_SOCKET_MAX - 1);
	(void)snprintf(n->backend, sizeof(n->backend), "%s", text);
	return 0;
}

static int net_parse_port(const char *text, uint16_t *ret)
{
	uint64_t port;

	if (num_parse(text, 10, UINT16_MAX, &port) < 0 || !port)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

static int net_parse_forward(char *text, struct guest_net *n, struct err *e)
{
	struct guest_forward f = {0};
	char shown[TEXT_MAX];

	(void)snprintf(shown, sizeof(shown), "%s", text);
	const char *protocol = strsep(&text, ":");
	const char *host = text ? strsep(&text, ":") : "";
	const char *guest = text ? text : "";

	f.udp = strcmp(protocol, "udp") == 0;
	if ((!f.udp && strcmp(protocol, "tcp") != 0) || net_parse_port(host, &f.host) < 0 ||
		net_parse_port(guest, &f.guest) < 0)
		return err_say(e, -EINVAL, "--net: forward=%.60s: not like tcp:2222:22", shown);
	for (size_t i = 0; i < n->forward_count; i++)
		if (n->forwards[i].udp == f.udp && n->forwards[i].host == f.host)
			return err_say(e, -EINVAL, "--net: port %s:%u is forwarded twice", protocol,
				f.host);
	if (n->forward_count == SPEC_FORWARDS_MAX)
		return err_say(e, -E2BIG, "--net: more than %d forwarded ports", SPEC_FORWARDS_MAX);
	n->forwards[n->forward_count++] = f;
	return 0;
}

/* The keys that not every card has, and those with a few values. */
static const struct {
	const char *key; /* with its = */
	const char *of; /* what it is connected to */
	const char *values; /* NULL: many */
} net_some_keys[] = {
	{"queues=", "tap=NAME", NULL},
	{"vhost=", "tap=NAME", "auto nor off"},
	{"offload=", "tap=NAME", "on nor off"},
	{"path=", "vhost-user", NULL},
	{"forward=", "user", NULL},
	{"host-loopback=", "user", "yes nor no"},
};

static const char *net_kind(const struct guest_net *n)
{
	return n->tap[0] ? "tap=NAME" : n->backend[0] ? "vhost-user" : "user";
}

static int net_refuse_key(const char *key, const struct guest_net *n, struct err *e)
{
	for (size_t i = 0; i < COUNT(net_some_keys); i++) {
		const size_t size = strlen(net_some_keys[i].key);
		if (strncmp(key, net_some_keys[i].key, size) != 0)
			continue;
		if (strcmp(net_some_keys[i].of, net_kind(n)) != 0)
			return err_say(e, -EINVAL, "--net: %.60s: this is a key of %s, not of %s",
				key, net_some_keys[i].of, net_kind(n));
		if (net_some_keys[i].values)
			return err_say(e, -EINVAL, "--net: %.60s: neither %s", key,
				net_some_keys[i].values);
	}
	err_say(e, -EINVAL, "--net: unknown key '%.60s'", key);
	err_hint(e, "%s", net_keys);
	return -EINVAL;
}

bool net_is_user(const struct guest_net *n)
{
	return !n->tap[0] && !n->backend[0];
}

static int net_parse_key(char *key, struct guest_net *n, struct err *e)
{
	uint64_t mtu, count;

	if (strncmp(key, "mac=", 4) == 0)
		return net_parse_mac(key + 4, n, e);
	if (strncmp(key, "mtu=", 4) == 0) {
		if (num_parse(key + 4, 10, UINT16_MAX, &mtu) < 0 || mtu < MTU_LEAST)
			return err_say(e, -EINVAL, "--net: mtu=%.20s: not a number from %d to %d",
				key + 4, MTU_LEAST, UINT16_MAX);
		n->mtu = (uint16_t)mtu;
		return 0;
	}
	if (n->tap[0] && strncmp(key, "queues=", 7) == 0) {
		if (num_parse(key + 7, 10, SPEC_QUEUES_MAX, &count) < 0 || !count)
			return err_say(e, -EINVAL, "--net: queues=%.20s: not a number from 1 to %d",
				key + 7, SPEC_QUEUES_MAX);
		n->queues = (unsigned)count;
		return 0;
	}
	if (n->tap[0] && (strcmp(key, "vhost=auto") == 0 || strcmp(key, "vhost=off") == 0)) {
		n->no_vhost = strcmp(key, "vhost=off") == 0;
		return 0;
	}
	if (n->tap[0] && (strcmp(key, "offload=on") == 0 || strcmp(key, "offload=off") == 0)) {
		n->no_offload = strcmp(key, "offload=off") == 0;
		return 0;
	}
	if (n->backend[0] && strncmp(key, "path=", 5) == 0)
		return net_parse_backend(key + 5, n, e);
	if (!net_is_user(n))
		return net_refuse_key(key, n, e);
	if (strncmp(key, "forward=", 8) == 0)
		return net_parse_forward(key + 8, n, e);
	if (strcmp(key, "host-loopback=no") == 0)
		return 0;
	if (strcmp(key, "host-loopback=yes") == 0) {
		n->host_loopback = true;
		return 0;
	}
	return net_refuse_key(key, n, e);
}

static int net_parse(const char *text, struct guest_net *n, struct err *e)
{
	char copy[TEXT_MAX], *rest = copy;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--net: '%.40s…' is too long", text);
	const char *first = strsep(&rest, ",");
	int r = 0;
	if (strncmp(first, "tap=", 4) == 0) {
		r = net_parse_tap(first + 4, n, e);
	} else if (strcmp(first, "vhost-user") == 0) {
		n->backend[0] = '?'; /* until its key is there */
	} else if (strcmp(first, "user") != 0) {
		err_say(e, -EINVAL, "--net: '%.60s' is none of tap=NAME, user, vhost-user, none",
			first);
		err_hint(e, "%s", net_keys);
		return -EINVAL;
	}
	while (r == 0 && rest)
		r = net_parse_key(strsep(&rest, ","), n, e);
	if (r == 0 && n->backend[0] == '?') {
		err_say(e, -EINVAL, "--net: vhost-user without path=SOCKET");
		err_hint(e, "SOCKET is where a program, such as a switch, serves network cards");
		return -EINVAL;
	}
	return r;
}

/*
 * A locally administered address, the same at each start: of the guest's name and the number of its
 * card. Ref: FNV-1a.
 */
static void mac_derive(const char *name, size_t card, uint8_t mac[6])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	hash = (hash ^ card) * UINT64_C(0x100000001b3);
	mac[0] = 0x02;
	for (unsigned i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}

static bool net_has_same_mac(const struct guest_net *a, const struct guest_net *b)
{
	return a->has_mac && b->has_mac && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static int net_check_others(const struct guest_spec *s, const struct guest_net *n, struct err *e)
{
	unsigned pairs = n->queues;
	char mac[NET_MAC_TEXT];

	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_NET)
			continue;
		pairs += s->virtio[i].net.queues;
		if (net_has_same_mac(n, &s->virtio[i].net))
			return err_say(e, -EEXIST, "--net: two cards have the address %s",
				net_mac_text(n->mac, mac));
		if (strcmp(s->virtio[i].net.tap, n->tap) != 0 ||
			strcmp(s->virtio[i].net.backend, n->backend) != 0)
			continue;
		if (n->backend[0])
			return err_say(e, -EEXIST, "--net: '%s' is named twice", n->backend);
		if (!n->tap[0])
			return err_say(e, -EEXIST, "--net: a guest has one user network");
		return err_say(e, -EEXIST, "--net: tap %s is named twice", n->tap);
	}
	if (pairs > SPEC_PAIRS_MAX)
		return err_say(e, -E2BIG, "--net: more than %d pairs of queues", SPEC_PAIRS_MAX);
	return 0;
}

bool net_has_card(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_NET)
			return true;
	return false;
}

int net_add(struct guest_spec *s, const char *text, struct err *e)
{
	struct guest_virtio v = {.type = GUEST_VIRTIO_NET, .net.queues = 1};
	const bool none = strcmp(text, "none") == 0;

	if (strncmp(text, "none,", 5) == 0)
		return err_say(e, -EINVAL, "--net: 'none' takes no keys");
	if (s->no_net || (none && net_has_card(s)))
		return err_say(e, -EINVAL, "--net: 'none' and a card exclude each other");
	s->no_net = none;
	if (none)
		return 0;
	int r = net_parse(text, &v.net, e);
	if (r == 0)
		r = net_check_others(s, &v.net, e);
	return r < 0 ? r : spec_add_virtio(s, &v, e);
}

/* A macvtap passes frames of its own address alone. */
static bool mac_read(const struct guest_net *n, uint8_t mac[6])
{
	char path[FILE_PATH_MAX], text[32];
	struct guest_net own;

	(void)file_path(path, sizeof(path), "/sys/class/net/%s/macvtap", n->tap);
	if (!n->tap[0] || access(path, F_OK) < 0)
		return false;
	(void)file_path(path, sizeof(path), "/sys/class/net/%s/address", n->tap);
	if (file_read(path, text, sizeof(text)) < 0 || net_parse_mac(text, &own, NULL) < 0)
		return false;
	memcpy(mac, own.mac, sizeof(own.mac));
	return true;
}

void net_settle(struct guest_spec *s)
{
	size_t card = 0;

	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_NET)
			continue;
		if (!s->virtio[i].net.has_mac && !mac_read(&s->virtio[i].net, s->virtio[i].net.mac))
			mac_derive(s->name, card, s->virtio[i].net.mac);
		card++;
	}
}

const char *net_mac_text(const uint8_t mac[6], char text[NET_MAC_TEXT])
{
	(void)snprintf(text, NET_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return text;
}

/* What the host has under the name of a tap. */
struct tap_host {
	uint64_t flags; /* IFF_… of a tap */
	char path[FILE_PATH_MAX]; /* of the device file: one for all taps, one for each macvtap */
	bool macvtap;
};

#define VHOST_PATH "/dev/vhost-net"

static int macvtap_find(const struct guest_net *n, struct tap_host *ret)
{
	char path[FILE_PATH_MAX], text[32];
	uint64_t index;

	(void)file_path(path, sizeof(path), "/sys/class/net/%s/ifindex", n->tap);
	if (file_read(path, text, sizeof(text)) < 0 || num_parse(text, 10, UINT32_MAX, &index) < 0)
		return -ENOENT;
	(void)file_path(path, sizeof(path), "/sys/class/net/%s/macvtap/tap%" PRIu64, n->tap, index);
	if (access(path, F_OK) < 0)
		return -ENOENT;
	ret->macvtap = true;
	(void)file_path(ret->path, sizeof(ret->path), "/dev/tap%" PRIu64, index);
	return 0;
}

/* TUNSETIFF makes a tap of a name that is free, which would be at nobody's bridge. */
static int tap_find(const struct guest_net *n, struct tap_host *ret, struct err *e)
{
	char path[FILE_PATH_MAX], text[32];

	*ret = (struct tap_host){.path = "/dev/net/tun"};
	(void)file_path(path, sizeof(path), "/sys/class/net/%s", n->tap);
	if (access(path, F_OK) < 0) {
		err_say(e, -EINVAL, "--net: this host has no interface '%s'", n->tap);
		err_hint(e, "make it: ip tuntap add %s mode tap%s", n->tap,
			n->queues > 1 ? " multi_queue" : "");
		return -EINVAL;
	}
	if (macvtap_find(n, ret) == 0)
		return 0;
	(void)file_path(path, sizeof(path), "/sys/class/net/%s/tun_flags", n->tap);
	if (file_read(path, text, sizeof(text)) < 0 ||
		num_parse(text, 0, UINT32_MAX, &ret->flags) < 0 || !(ret->flags & IFF_TAP))
		return err_say(
			e, -EINVAL, "--net: interface '%s' is neither a tap nor a macvtap", n->tap);
	return 0;
}

static int queues_check(const struct guest_net *n, const struct tap_host *t, struct err *e)
{
	if (n->queues > 1 && !net_wants_vhost(n))
		return err_say(e, -EINVAL, "--net: queues=%u needs vhost-net, and %s", n->queues,
			n->no_vhost ? "vhost=off turns it off" : "this host has no " VHOST_PATH);
	if (n->queues == 1 || t->macvtap || t->flags & IFF_MULTI_QUEUE)
		return 0;
	err_say(e, -EINVAL, "--net: tap '%s' has one queue, and queues=%u asks for more", n->tap,
		n->queues);
	err_hint(e, "make it so: ip tuntap add %s mode tap multi_queue", n->tap);
	return -EINVAL;
}

/*
 * As passt takes it. Return: 0; -EADDRINUSE another socket of the host has it; -EACCES it is not
 * for this user. What else fails, passt says.
 */
static int port_try(int family, const struct guest_forward *f)
{
	const union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = {.v6 = {.sin6_family = (sa_family_t)family, .sin6_port = htons(f->host)}};
	const socklen_t size = family == AF_INET ? sizeof(at.v4) : sizeof(at.v6);
	const int one = 1;
	cleanup_fd int fd = socket(family, (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, &at.any, size) == 0 || (errno != EADDRINUSE && errno != EACCES))
		return 0;
	return -errno;
}

static int port_refuse(const struct guest_forward *f, int r, struct err *e)
{
	const char *protocol = f->udp ? "udp" : "tcp";

	if (r == -EACCES) {
		err_say(e, -EINVAL,
			"--net: forward=%s:%u:%u: only root may use port %u of the host", protocol,
			f->host, f->guest, f->host);
		err_hint(e, "forward another port: "
			    "/proc/sys/net/ipv4/ip_unprivileged_port_start has the first for all");
		return -EINVAL;
	}
	err_say(e, r, "--net: forward=%s:%u:%u: another program of the host uses port %u", protocol,
		f->host, f->guest, f->host);
	err_hint(e, "'ss -lpn sport = :%u' shows which one; forward another port", f->host);
	return r;
}

/* passt goes on if it gets a port of one version of IP, and does not say that it has no other. */
static int forwards_check(const struct guest_net *n, struct err *e)
{
	for (size_t i = 0; i < n->forward_count; i++) {
		const struct guest_forward *f = &n->forwards[i];
		int r = port_try(AF_INET, f);
		if (r == 0)
			r = port_try(AF_INET6, f);
		if (r < 0)
			return port_refuse(f, r, e);
	}
	return 0;
}

static int net_check_card(const struct guest_net *n, struct err *e)
{
	const struct command c = net_is_user(n) ? command_seek(PASST, NULL) : (struct command){0};
	struct tap_host t;

	if (n->tap[0]) {
		int r = tap_find(n, &t, e);
		return r < 0 ? r : queues_check(n, &t, e);
	}
	if (n->backend[0])
		return backend_check(n->backend, e) < 0 ? err_in(e, -EINVAL, "--net") : 0;
	if (c.code == 0)
		return forwards_check(n, e);
	(void)command_report(&c, PASST, geteuid(), e);
	err_hint(e, "a user network needs it: apt install passt");
	return -EINVAL;
}

int net_check(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_NET)
			continue;
		int r = net_check_card(&s->virtio[i].net, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A tap with several queues opens with that flag alone. */
static int tap_attach(int fd, const struct guest_net *n, const struct tap_host *t)
{
	struct ifreq q = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int header = VNET_HEADER;

	if (t->flags & IFF_MULTI_QUEUE || (t->macvtap && n->queues > 1))
		q.ifr_flags |= IFF_MULTI_QUEUE;
	(void)snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", n->tap);
	if (ioctl(fd, TUNSETIFF, &q) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	return 0;
}

int net_open_tap(const struct guest_net *n, bool first, struct err *e)
{
	struct tap_host t;

	int r = tap_find(n, &t, e);
	if (r < 0)
		return r;
	cleanup_fd int fd = open(t.path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set(e, -errno, "open %s", t.path);
	if (t.macvtap && first && macvtap_claim(fd, t.path, n->tap, e) < 0)
		return -EBUSY;
	r = tap_attach(fd, n, &t);
	if (r == 0)
		return TAKE_FD(fd);
	if (r == -EBUSY)
		return err_say(e, r, "--net: another program uses tap '%s'", n->tap);
	(void)err_set(e, r, "--net: use tap '%s'", n->tap);
	if (r == -EPERM)
		err_hint(e, "be root, or its owner: ip tuntap add %s mode tap user NAME", n->tap);
	return r;
}

bool net_wants_vhost(const struct guest_net *n)
{
	return n->tap[0] && !n->no_vhost && access(VHOST_PATH, R_OK | W_OK) == 0;
}

int net_open_vhost(struct err *e)
{
	int fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? err_set(e, -errno, "open " VHOST_PATH) : fd;
}
