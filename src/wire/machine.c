/* SPDX-License-Identifier: MIT */
#include "wire/machine.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BARS 6
#define FLAGS_ALL                                                                   \
	(WIRE_NO_REBOOT | WIRE_TIMING | WIRE_STATS | WIRE_PEERS | WIRE_NO_SANDBOX | \
		WIRE_OWN_PIDS | WIRE_PACKED_RINGS)
#define DISK_FLAGS_ALL (WIRE_DISK_READONLY | WIRE_DISK_DIRECT | WIRE_DISK_POLL)
#define SECTOR 512
#define BLOCK_MAX MIB(1)

enum use { USE_NONE, USE_ONE, USE_IOAS };

/* Who refers to which descriptor: one that is owned twice would be closed twice. */
struct ledger {
	size_t count;
	enum use uses[WIRE_FDS_MAX];
};

void wire_machine_init(struct wire_machine *m, enum wire_kind kind)
{
	memset(m, 0, sizeof(*m));
	m->header.kind = kind;
	m->kvm = m->kernel = m->initrd = WIRE_FD_NONE;
	m->interrupts = m->stats = m->calls = m->orders = m->refused = WIRE_FD_NONE;
	m->lent_ioas = WIRE_FD_NONE;
}

static bool ledger_use(struct ledger *l, uint32_t index, enum use use)
{
	if (index >= l->count)
		return false;
	if (l->uses[index] != USE_NONE)
		return use == USE_IOAS && l->uses[index] == USE_IOAS;
	l->uses[index] = use;
	return true;
}

static bool ledger_use_optional(struct ledger *l, uint32_t index)
{
	return index == WIRE_FD_NONE || ledger_use(l, index, USE_ONE);
}

static bool ledger_is_complete(const struct ledger *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->uses[i] == USE_NONE)
			return false;
	return true;
}

static bool text_is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* A name goes into log lines. */
static bool name_is_plain(const char *name)
{
	if (!name[0] || !text_is_terminated(name, WIRE_NAME_MAX))
		return false;
	for (const char *c = name; *c; c++)
		if (*c < 0x21 || *c > 0x7e)
			return false;
	return true;
}

static int machine_refuse(struct err *e, const char *what)
{
	return err_say(e, -EPROTO, "description of the guest: %s is invalid", what);
}

static int device_check(const struct wire_device *d, struct ledger *l, struct err *e)
{
	struct pci_address a;

	if (d->kind != WIRE_DEVICE_VFIO)
		return machine_refuse(e, "a device's kind");
	if (wire_address_parse(&d->address, &a) < 0)
		return machine_refuse(e, "a device's address");
	if (!ledger_use(l, d->ioas, USE_IOAS) || !ledger_use(l, d->device, USE_ONE))
		return machine_refuse(e, "a device's descriptor");
	if (d->group < 0)
		return machine_refuse(e, "a device's group");
	if (d->rom > WIRE_ROM_FILE)
		return machine_refuse(e, "a device's ROM");
	if (d->rom == WIRE_ROM_FILE ? !ledger_use(l, d->rom_file, USE_ONE)
				    : d->rom_file != WIRE_FD_NONE)
		return machine_refuse(e, "a ROM's descriptor");
	return d->trace >> BARS ? machine_refuse(e, "a device's trace") : 0;
}

static int devices_check(const struct wire_machine *m, struct ledger *l, struct err *e)
{
	if (m->device_count > WIRE_DEVICES_MAX)
		return machine_refuse(e, "the number of devices");
	for (uint32_t i = 0; i < m->device_count; i++) {
		int r = device_check(&m->devices[i], l, e);
		if (r < 0)
			return r;
		for (uint32_t k = 0; k < i; k++)
			if (memcmp(&m->devices[k].address, &m->devices[i].address,
				    sizeof(m->devices[i].address)) == 0)
				return machine_refuse(e, "an address that comes twice");
	}
	return 0;
}

static int disk_check(const struct wire_disk *d, struct err *e)
{
	if (!is_pow2(d->logical) || d->logical < SECTOR || d->logical > BLOCK_MAX ||
		!is_pow2(d->physical) || d->physical < d->logical)
		return machine_refuse(e, "a disk's block size");
	if (!d->size || d->size % d->logical || d->size > INT64_MAX)
		return machine_refuse(e, "a disk's size");
	if (d->flags & ~DISK_FLAGS_ALL)
		return machine_refuse(e, "a disk's flag");
	if (!d->queues || d->queues > WIRE_QUEUES_MAX)
		return machine_refuse(e, "a disk's number of queues");
	return 0;
}

static bool net_uses(const struct wire_net *n, struct ledger *l)
{
	if (!ledger_use_optional(l, n->vhost))
		return false;
	for (uint32_t i = 0; i < n->more_count; i++)
		if (!ledger_use(l, n->more[i].tap, USE_ONE) ||
			!ledger_use(l, n->more[i].vhost, USE_ONE))
			return false;
	return true;
}

/* A card's own address is none of a group. Ref: virtio 1.2, 5.1.4: the least MTU. */
static int net_check(const struct wire_net *n, struct ledger *l, struct err *e)
{
	if (n->more_count >= WIRE_NET_PAIRS_MAX || (n->more_count && n->vhost == WIRE_FD_NONE))
		return machine_refuse(e, "the number of queues of a network card");
	if (!net_uses(n, l))
		return machine_refuse(e, "a descriptor of a network card");
	if (n->vhost != WIRE_FD_NONE && n->line != WIRE_NET_TAP)
		return machine_refuse(e, "vhost without a tap");
	if (n->line < WIRE_NET_TAP || n->line > WIRE_NET_BACKEND)
		return machine_refuse(e, "the line of a network card");
	if (n->mac[0] & 1)
		return machine_refuse(e, "the address of a network card");
	if (n->flags & ~(uint32_t)(WIRE_NET_NO_OFFLOAD | WIRE_NET_REACHES_HOST))
		return machine_refuse(e, "the flag of a network card");
	return n->mtu && n->mtu < 68 ? machine_refuse(e, "the MTU of a network card") : 0;
}

static bool backend_name_is_text(const char *name)
{
	if (!name[0] || !text_is_terminated(name, WIRE_BACKEND_NAME_MAX))
		return false;
	for (const char *c = name; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return false;
	return true;
}

/* @shared: the guest's memory is. */
static int backend_check(const struct wire_virtio *v, bool shared, struct err *e)
{
	static const char no_tag[WIRE_TAG_MAX];
	const bool has_tag = memcmp(v->backend.tag, no_tag, sizeof(no_tag)) != 0;

	if (v->backend.queues > WIRE_QUEUES_MAX ||
		(v->type == WIRE_VIRTIO_NET && v->backend.queues != 1))
		return machine_refuse(e, "the number of queues of a back end");
	if (v->type == WIRE_VIRTIO_RNG || v->type == WIRE_VIRTIO_BALLOON ||
		v->type == WIRE_VIRTIO_VSOCK || has_tag != (v->type == WIRE_VIRTIO_FS))
		return machine_refuse(e, "what a back end serves");
	if (!backend_name_is_text(v->backend.name))
		return machine_refuse(e, "the name of what a back end serves");
	return shared ? 0 : machine_refuse(e, "memory that a back end does not share");
}

/* What describes a device of another type, or of another server, is zero. */
static int virtio_parts_check(
	const struct wire_virtio *v, bool shared, struct ledger *l, struct err *e)
{
	static const struct wire_disk no_disk;
	static const struct wire_net no_net;
	static const struct wire_backend no_backend;
	const bool is_served = v->backend.queues;
	const bool is_disk = v->type == WIRE_VIRTIO_BLK && !is_served;
	const bool is_net = v->type == WIRE_VIRTIO_NET;
	const bool is_vsock = v->type == WIRE_VIRTIO_VSOCK;

	if (!is_disk && memcmp(&v->disk, &no_disk, sizeof(no_disk)) != 0)
		return machine_refuse(e, "a disk");
	if (!is_net && memcmp(&v->net, &no_net, sizeof(no_net)) != 0)
		return machine_refuse(e, "a network card");
	if (!is_served && memcmp(&v->backend, &no_backend, sizeof(no_backend)) != 0)
		return machine_refuse(e, "a back end");
	int r = is_served ? backend_check(v, shared, e) : 0;
	if (r < 0)
		return r;
	/* Ref: linux/vm_sockets.h: three addresses are of hosts, and the highest is any. */
	if (is_vsock ? v->cid < 3 || v->cid >= UINT32_MAX : v->cid)
		return machine_refuse(e, "an address of sockets");
	if (v->vsock_listens > is_vsock || v->pad)
		return machine_refuse(e, "who serves sockets");
	if (is_disk)
		return disk_check(&v->disk, e);
	if (is_net && (v->net.line == WIRE_NET_BACKEND) != is_served)
		return machine_refuse(e, "the line of a network card");
	return is_net ? net_check(&v->net, l, e) : 0;
}

static int virtio_check(const struct wire_virtio *v, bool shared, struct ledger *l, struct err *e)
{
	const bool is_alone = v->type == WIRE_VIRTIO_RNG || v->type == WIRE_VIRTIO_BALLOON;

	if (!is_alone && v->type != WIRE_VIRTIO_BLK && v->type != WIRE_VIRTIO_NET &&
		v->type != WIRE_VIRTIO_VSOCK && (v->type != WIRE_VIRTIO_FS || !v->backend.queues))
		return machine_refuse(e, "the type of a virtio device");
	if (is_alone ? v->fd != WIRE_FD_NONE : !ledger_use(l, v->fd, USE_ONE))
		return machine_refuse(e, "a virtio device's descriptor");
	return virtio_parts_check(v, shared, l, e);
}

static int virtios_check(const struct wire_machine *m, struct ledger *l, struct err *e)
{
	if (m->virtio_count > WIRE_VIRTIO_MAX)
		return machine_refuse(e, "the number of virtio devices");
	for (uint32_t i = 0; i < m->virtio_count; i++) {
		/* A lent device pins memory, and a pool has large pages only. */
		if (m->virtio[i].type == WIRE_VIRTIO_BALLOON &&
			(m->lent_count || m->backing == WIRE_BACKING_POOL))
			return machine_refuse(e, "a balloon");
		int r = virtio_check(&m->virtio[i], m->backing != WIRE_BACKING_PRIVATE, l, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int port_check(const struct wire_port *p, struct ledger *l, struct err *e)
{
	const bool is_pty = p->kind == WIRE_PORT_PTY;
	const bool has_fd = is_pty || p->kind == WIRE_PORT_SOCKET || p->kind == WIRE_PORT_FILE;

	if (!name_is_plain(p->name))
		return machine_refuse(e, "a port's name");
	if (p->kind > WIRE_PORT_STDIO || p->pad)
		return machine_refuse(e, "a port's kind");
	if (has_fd ? !ledger_use(l, p->fd, USE_ONE) : p->fd != WIRE_FD_NONE)
		return machine_refuse(e, "a port's descriptor");
	if (is_pty ? !ledger_use(l, p->door, USE_ONE) : p->door != WIRE_FD_NONE)
		return machine_refuse(e, "a port's descriptor");
	return p->kind != WIRE_PORT_FILE && p->limit ? machine_refuse(e, "a port's limit") : 0;
}

static int ports_check(const struct wire_machine *m, struct ledger *l, struct err *e)
{
	if (m->console > WIRE_CONSOLE_NONE)
		return machine_refuse(e, "the kind of console");
	if (m->port_count > WIRE_PORTS_MAX)
		return machine_refuse(e, "the number of ports");
	for (uint32_t i = 0; i < m->port_count; i++) {
		int r = port_check(&m->ports[i], l, e);
		if (r < 0)
			return r;
		if (m->ports[i].kind == WIRE_PORT_STDIO && m->console != WIRE_CONSOLE_NONE)
			return machine_refuse(e, "who has standard input");
	}
	return 0;
}

/* Its lent devices come later. */
static int lent_check(const struct wire_machine *m, struct ledger *l, struct err *e)
{
	if (m->lent_count > WIRE_DEVICES_MAX || m->device_count)
		return machine_refuse(e, "the number of devices");
	if (m->lent_count ? !ledger_use(l, m->lent_ioas, USE_ONE) : m->lent_ioas != WIRE_FD_NONE)
		return machine_refuse(e, "the descriptor of the I/O address space");
	return m->ready_ns ? machine_refuse(e, "the time") : 0;
}

static int guest_check(const struct wire_machine *m, struct ledger *l, struct err *e)
{
	if (!name_is_plain(m->name))
		return machine_refuse(e, "the name");
	if (!text_is_terminated(m->cmdline, sizeof(m->cmdline)))
		return machine_refuse(e, "the command line");
	if (!m->memory)
		return machine_refuse(e, "the size of memory");
	if (m->backing > WIRE_BACKING_POOL)
		return machine_refuse(e, "the kind of memory");
	if (!m->cpus || m->cpus > WIRE_CPUS_MAX)
		return machine_refuse(e, "the number of processors");
	if (m->slots > WIRE_DEVICES_MAX)
		return machine_refuse(e, "the number of slots");
	if (m->flags & ~(uint32_t)FLAGS_ALL)
		return machine_refuse(e, "a flag");
	if (m->uid == UINT32_MAX)
		return machine_refuse(e, "the user");
	if (!ledger_use(l, m->kvm, USE_ONE) || !ledger_use(l, m->kernel, USE_ONE) ||
		!ledger_use_optional(l, m->initrd) || !ledger_use_optional(l, m->interrupts) ||
		!ledger_use_optional(l, m->stats) || !ledger_use_optional(l, m->calls) ||
		!ledger_use_optional(l, m->orders) || !ledger_use_optional(l, m->refused))
		return machine_refuse(e, "a descriptor");
	int r = lent_check(m, l, e);
	if (r == 0)
		r = ports_check(m, l, e);
	if (r < 0)
		return r;
	return virtios_check(m, l, e);
}

/* Everything but the devices is as wire_machine_init() leaves it. */
static int addition_check(const struct wire_machine *m, struct err *e)
{
	const bool is_first = m->header.kind == WIRE_DEVICES;
	struct wire_machine empty;

	wire_machine_init(&empty, WIRE_ATTACH);
	empty.header = m->header;
	empty.ready_ns = is_first ? m->ready_ns : 0;
	empty.device_count = m->device_count;
	if (memcmp(m, &empty, offsetof(struct wire_machine, devices)) != 0)
		return machine_refuse(e, "a field beside the devices");
	return m->device_count || is_first ? 0 : machine_refuse(e, "the number of devices");
}

int wire_machine_check(const struct wire_machine *m, size_t fd_count, struct err *e)
{
	struct ledger l = {.count = fd_count};
	int r;

	if (fd_count > WIRE_FDS_MAX)
		return machine_refuse(e, "the number of descriptors");
	if (m->header.kind == WIRE_MACHINE)
		r = guest_check(m, &l, e);
	else if (m->header.kind == WIRE_DEVICES || m->header.kind == WIRE_ATTACH)
		r = addition_check(m, e);
	else
		r = machine_refuse(e, "the kind of message");
	if (r < 0)
		return r;
	r = devices_check(m, &l, e);
	if (r < 0)
		return r;
	return ledger_is_complete(&l) ? 0
				      : machine_refuse(e, "a descriptor that nothing refers to");
}

int wire_attached_check(const struct wire_attached *a)
{
	if (a->header.kind != WIRE_ATTACHED || a->result > 0)
		return -EPROTO;
	if (!text_is_terminated(a->reason, sizeof(a->reason)) ||
		!text_is_terminated(a->hint, sizeof(a->hint)))
		return -EPROTO;
	return 0;
}
