/* SPDX-License-Identifier: MIT */
#include "engine/qemu/words_virtio.h"

#include "base/num.h"
#include "bind/bind.h"
#include "engine/net.h"
#include "engine/qemu/board.h"
#include "engine/qemu/parts.h"
#include "engine/qemu/words.h"
#include "program/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CONSOLE_ID "usher-console"

static void option_add(struct program *p, const char *option, const char *value)
{
	program_word(p, option);
	program_word(p, value);
}

void qemu_words_fd(int fd, struct program *p)
{
	program_word(p, "-add-fd");
	program_arg(p, "fd=%d,set=%d", fd, fd);
}

const char *qemu_boot_index(
	const struct guest_spec *s, const struct qemu_parts *parts, size_t i, char *buf)
{
	buf[0] = '\0';
	if (qemu_board_is_ours(s) && !s->kernel && parts->kernel < 0)
		(void)snprintf(buf, QEMU_BOOT_TEXT, ",bootindex=%zu", i);
	return buf;
}

static const char *rings_text(const struct guest_spec *s)
{
	return s->rings == GUEST_RINGS_PACKED ? ",packed=on" : "";
}

/* QEMU opens a descriptor by such a name, and a path by that. */
static const char *disk_name(const struct guest_disk *d, const struct qemu_disk *k, char buf[40])
{
	if (k->fd < 0)
		return d->path;
	(void)snprintf(buf, 40, "/dev/fdset/%d", k->fd);
	return buf;
}

static const char *flag_text(bool flag)
{
	return flag ? "on" : "off";
}

/* File @n of the image that is disk @i: the file itself, and what QEMU makes of its format. */
static void file_add(const struct guest_disk *d, const struct qemu_disk *k, size_t i, size_t n,
	struct program *p)
{
	const struct qemu_file *f = &k->files[n];
	const char *readonly = flag_text(n || d->readonly);
	char of[32] = "", backing[48] = "";

	/* The header does not count: it is usher that has found the backing file. */
	if (n)
		(void)snprintf(of, sizeof(of), "-%zu", n);
	if (f->has_backing && n + 1 < k->file_count)
		(void)snprintf(
			backing, sizeof(backing), ",\"backing\":\"usher-disk%zu-%zu\"", i, n + 1);
	else if (f->has_backing)
		(void)snprintf(backing, sizeof(backing), ",\"backing\":null");
	qemu_words_fd(f->fd, p);
	program_word(p, "-blockdev");
	program_arg(p,
		"driver=%s,node-name=usher-file%zu-%zu,read-only=%s,discard=unmap,cache.direct=%s,"
		"filename=/dev/fdset/%d%s",
		f->is_block ? "host_device" : "file", i, n, readonly, flag_text(f->direct), f->fd,
		f->direct ? ",aio=native" : "");
	program_word(p, "-blockdev");
	program_arg(p,
		"{\"driver\":\"%s\",\"node-name\":\"usher-disk%zu%s\","
		"\"file\":\"usher-file%zu-%zu\","
		"\"read-only\":%s,\"discard\":\"unmap\"%s}",
		f->format, i, of, i, n, n || d->readonly ? "true" : "false", backing);
}

/* An image that is not open yet: a plan shows the words that QEMU will get. */
static void image_add(
	const struct guest_disk *d, const struct qemu_disk *k, size_t i, struct program *p)
{
	for (size_t n = k->file_count; n--;)
		file_add(d, k, i, n, p);
	if (k->file_count)
		return;
	program_word(p, "-blockdev");
	program_arg(p,
		"driver=%s,node-name=usher-disk%zu,read-only=%s,discard=unmap,file.driver=file,"
		"file.filename=%s",
		d->format, i, flag_text(d->readonly), d->path);
}

/* The kernel's own queue of requests takes none that may go into the page cache. */
static void raw_add(
	const struct guest_disk *d, const struct qemu_disk *k, size_t i, struct program *p)
{
	char name[40];

	if (k->fd >= 0)
		qemu_words_fd(k->fd, p);
	program_word(p, "-blockdev");
	program_arg(p,
		"driver=raw,node-name=usher-disk%zu,read-only=%s,discard=unmap,cache.direct=%s,"
		"file.driver=%s,file.filename=%s%s",
		i, flag_text(d->readonly), flag_text(k->direct),
		k->is_block ? "host_device" : "file", disk_name(d, k, name),
		k->direct ? ",file.aio=native" : "");
}

static void disk_add(
	const struct guest_spec *s, const struct qemu_parts *parts, size_t i, struct program *p)
{
	const struct guest_disk *d = &s->virtio[i].disk;
	const struct qemu_disk *k = &parts->disks[i];
	char queues[32] = "", boot[QEMU_BOOT_TEXT];

	if (disk_has_format(d))
		image_add(d, k, i, p);
	else
		raw_add(d, k, i, p);
	program_word(p, "-device");
	/* By itself QEMU makes a queue for each processor. */
	if (d->queues > 1)
		(void)snprintf(queues, sizeof(queues), ",num-queues=%u", d->queues);
	program_arg(p, "virtio-blk-pci,id=usher-virtio%zu,drive=usher-disk%zu%s%s%s%s%s", i, i,
		queues, d->serial[0] ? ",serial=" : "", d->serial, rings_text(s),
		qemu_boot_index(s, parts, i, boot));
}

/* "3:4:5" */
static const char *fds_text(const int *fds, size_t count, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%d", i ? ":" : "", fds[i]);
	return buf;
}

static void tap_add(
	const struct guest_net *n, const struct qemu_net *open_net, size_t i, struct program *p)
{
	char fds[96], vhosts[96], queues[sizeof(",queues=4294967295")] = "";
	const bool many = open_net->count > 1;

	if (n->queues > 1)
		(void)snprintf(queues, sizeof(queues), ",queues=%u", n->queues);
	if (!open_net->count) {
		program_arg(p, "tap,id=usher-net%zu,ifname=%s,script=no,downscript=no,vhost=%s%s",
			i, n->tap, net_wants_vhost(n) ? "on" : "off", queues);
		return;
	}
	(void)fds_text(open_net->fds, open_net->count, fds, sizeof(fds));
	if (open_net->vhosts[0] < 0) {
		program_arg(p, "tap,id=usher-net%zu,%s=%s,vhost=off", i, many ? "fds" : "fd", fds);
		return;
	}
	program_arg(p, "tap,id=usher-net%zu,%s=%s,vhost=on,%s=%s", i, many ? "fds" : "fd", fds,
		many ? "vhostfds" : "vhostfd",
		fds_text(open_net->vhosts, open_net->count, vhosts, sizeof(vhosts)));
}

static void net_add_words(const struct guest_net *n, const struct qemu_net *open_net, size_t i,
	const char *rings, struct program *p)
{
	char mac[NET_MAC_TEXT], mtu[sizeof(",host_mtu=65535")] = "";

	program_word(p, "-netdev");
	if (n->tap[0])
		tap_add(n, open_net, i, p);
	else
		program_arg(p, "stream,id=usher-net%zu,server=off,addr.type=fd,addr.str=%d", i,
			open_net->passt);
	if (n->mtu)
		(void)snprintf(mtu, sizeof(mtu), ",host_mtu=%u", n->mtu);
	program_word(p, "-device");
	program_arg(p, "virtio-net-pci,id=usher-virtio%zu,netdev=usher-net%zu,mac=%s%s%s%s%s", i, i,
		net_mac_text(n->mac, mac), mtu, n->queues > 1 ? ",mq=on" : "",
		n->no_offload ? ",csum=off,guest_csum=off,gso=off,host_tso4=off,host_tso6=off,"
				"guest_tso4=off,guest_tso6=off,host_ufo=off,guest_ufo=off,"
				"host_ecn=off,guest_ecn=off"
			      : "",
		rings);
}

/* The host's kernel serves it, and knows split rings alone. */
static void vsock_add_words(uint64_t cid, int fd, struct program *p)
{
	char vhost[32] = "";

	if (fd >= 0)
		(void)snprintf(vhost, sizeof(vhost), ",vhostfd=%d", fd);
	program_word(p, "-device");
	program_arg(p, "vhost-vsock-pci,id=usher-vsock,guest-cid=%" PRIu64 "%s", cid, vhost);
}

static void share_add(const struct guest_share *s, int fd, size_t i, struct program *p)
{
	program_word(p, "-chardev");
	program_arg(p, "socket,id=usher-share%zu,fd=%d", i, fd);
	program_word(p, "-device");
	program_arg(p, "vhost-user-fs-pci,id=usher-virtio%zu,chardev=usher-share%zu,tag=%s", i, i,
		s->tag);
}

void qemu_words_virtio(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		switch (v->type) {
		case GUEST_VIRTIO_BLK:
			disk_add(s, parts, i, p);
			break;
		case GUEST_VIRTIO_NET:
			if (!parts->nets[i].left_out)
				net_add_words(&v->net, &parts->nets[i], i, rings_text(s), p);
			break;
		case GUEST_VIRTIO_BALLOON:
			program_word(p, "-device");
			program_arg(p,
				"virtio-balloon-pci,id=" QEMU_BALLOON ",free-page-reporting=on%s",
				rings_text(s));
			break;
		case GUEST_VIRTIO_VSOCK:
			vsock_add_words(v->cid, parts->vsock, p);
			break;
		case GUEST_VIRTIO_RNG:
			program_word(p, "-device");
			program_arg(p, "virtio-rng-pci,id=usher-virtio%zu%s", i, rings_text(s));
			break;
		case GUEST_VIRTIO_FS:
			share_add(&v->share, parts->shares[i], i, p);
			break;
		}
	}
}

/* The host's end of a port, with the id usher-port@i. */
static void end_add(
	const struct guest_spec *s, const struct guest_port *d, int fd, size_t i, struct program *p)
{
	char path[PORT_PATH_MAX];

	(void)port_path(d, BIND_STATE_DIR, s->name, path, sizeof(path));
	if (fd >= 0 && d->kind == GUEST_PORT_FILE)
		qemu_words_fd(fd, p);
	program_word(p, "-chardev");
	if (d->kind == GUEST_PORT_SOCKET && fd >= 0)
		program_arg(p, "socket,id=usher-port%zu,server=on,wait=off,fd=%d", i, fd);
	else if (d->kind == GUEST_PORT_SOCKET)
		program_arg(p, "socket,id=usher-port%zu,server=on,wait=off,path=%s", i, path);
	else if (d->kind == GUEST_PORT_FILE && fd >= 0)
		program_arg(p, "file,id=usher-port%zu,path=/dev/fdset/%d", i, fd);
	else if (d->kind == GUEST_PORT_FILE)
		program_arg(p, "file,id=usher-port%zu,path=%s", i, path);
	else if (d->kind == GUEST_PORT_PTY)
		program_arg(p, "pty,id=usher-port%zu", i);
	else
		program_arg(p, "stdio,id=usher-port%zu,signal=off", i);
}

static void console_add(
	const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (!qemu_board_has_console(s))
		return;
	program_word(p, "-chardev");
	if (parts->console >= 0)
		program_arg(p, "socket,id=" CONSOLE_ID ",fd=%d", parts->console);
	else
		program_word(p, "stdio,id=" CONSOLE_ID ",signal=off");
	if (s->console == GUEST_CONSOLE_VIRTIO)
		option_add(p, "-device", "virtconsole,bus=usher-ports.0,chardev=" CONSOLE_ID);
	else
		option_add(p, "-serial", "chardev:" CONSOLE_ID);
}

void qemu_words_ports(const struct guest_spec *s, const struct qemu_parts *parts, struct program *p)
{
	if (s->port_count || s->console == GUEST_CONSOLE_VIRTIO)
		option_add(p, "-device", "virtio-serial-pci,id=usher-ports,max_ports=31");
	console_add(s, parts, p);
	for (size_t i = 0; i < s->port_count; i++) {
		end_add(s, &s->ports[i], parts->ports[i], i, p);
		program_word(p, "-device");
		program_arg(p,
			"virtserialport,bus=usher-ports.0,nr=%zu,chardev=usher-port%zu,name=%s",
			i + 1, i, s->ports[i].name);
	}
}
