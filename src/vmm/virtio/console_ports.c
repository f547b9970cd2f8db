/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console_ports.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/viewers.h"
#include "vmm/virtio/console_port.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/*
 * How it works
 *
 * Each port is a pair of queues (vmm/virtio/console_port.h) with a peer, and two queues carry
 * control messages (vmm/virtio/console_control.h). All doorbells, peers and viewers end in one of
 * two functions, in the main thread: port_serve() moves bytes of a port, control_serve() messages.
 * Neither waits, and neither goes on for longer than its budget: then it rings its own bell, and
 * others have their turn.
 *
 * Somebody is there while the port has a peer or a viewer, and always with a port that has no peer
 * to come: then the history keeps what the guest sends.
 */
#define CLASS_SERIAL 0x078000 /* a communication controller of no other kind */
#define CONTROL_IN 2 /* queues: what the guest receives, and what it sends */
#define CONTROL_OUT 3
#define MESSAGES_AT_ONCE 64

struct port {
	struct virtio_ports *all;
	struct virtio_port_spec spec;
	struct console_peer peer;
	struct console_port line;
	struct viewers viewers;
};

struct virtio_ports {
	struct virtio_device device;
	struct virtio_pci pci;
	struct console_control control; /* under the lock */
	uint64_t reported; /* misdeeds of `control` that were logged */
	struct log_guest misdeeds;
	struct virtq_chain chain; /* of a message; main thread */
	struct console_bell bells[VIRTIO_QUEUES_MAX];
	unsigned port_count;
	struct port ports[];
};

static struct virtio_ports *of_device(struct virtio_device *d)
{
	return container_of(d, struct virtio_ports, device);
}

/* Ref: virtio 1.2, 5.3.2: the queues of control come between those of ports 0 and 1. */
static unsigned queue_in(unsigned port)
{
	return port ? 2 * port + 2 : 0;
}

static int queue_port(unsigned queue)
{
	return queue < 2 ? 0 : queue < 4 ? -1 : (int)queue / 2 - 1;
}

static bool driver_has_ports(const struct virtio_ports *v)
{
	return v->device.accepted & BIT64(VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool port_has_somebody(const struct port *p)
{
	return p->spec.peer.kind == CONSOLE_PEER_NONE || p->peer.present || p->viewers.count;
}

static unsigned port_number(const struct port *p)
{
	return (unsigned)(p - p->all->ports);
}

static void port_ring(const struct port *p)
{
	console_bell_ring(&p->all->bells[queue_in(port_number(p))]);
}

/* Under the lock. Takes a chain of queue @n, which is not that of a port. */
static bool message_chain_take(struct virtio_ports *v, unsigned n)
{
	struct virtq *q = &v->device.queues[n];
	int r;

	if (!virtio_is_going(&v->device) || !driver_has_ports(v))
		return false;
	virtq_silence(q);
	do
		r = virtq_take(q, &v->chain);
	while (r == 0 && virtq_listen(q));
	if (r < 0)
		virtio_returned(&v->device, n);
	return r > 0;
}

/* Under the lock. What is there for the driver, as far as it has listed buffers. */
static bool messages_send(struct virtio_ports *v)
{
	struct virtq *q = &v->device.queues[CONTROL_IN];
	uint8_t message[CONSOLE_MESSAGE_MAX];
	unsigned count = 0;

	while (console_control_is_due(&v->control) && count++ < MESSAGES_AT_ONCE &&
		message_chain_take(v, CONTROL_IN)) {
		const size_t len = console_control_next(&v->control, message);
		const bool fits = virtq_write(q, &v->chain, 0, message, len) == 0;
		virtq_return(q, &v->chain, fits ? (uint32_t)len : 0);
	}
	virtio_returned(&v->device, CONTROL_IN);
	return count > MESSAGES_AT_ONCE;
}

/* Under the lock. */
static bool messages_take(struct virtio_ports *v)
{
	struct virtq *q = &v->device.queues[CONTROL_OUT];
	uint8_t message[sizeof(struct virtio_console_control)];
	unsigned count = 0;

	while (count++ < MESSAGES_AT_ONCE && message_chain_take(v, CONTROL_OUT)) {
		const size_t len = (size_t)min_u64(v->chain.out_size, sizeof(message));
		if (virtq_read(q, &v->chain, 0, message, len) == 0)
			console_control_take(&v->control, message, len);
		virtq_return(q, &v->chain, 0);
	}
	virtio_returned(&v->device, CONTROL_OUT);
	return count > MESSAGES_AT_ONCE;
}

static void misdeeds_report(struct virtio_ports *v)
{
	if (v->control.misdeeds == v->reported)
		return;
	v->reported = v->control.misdeeds;
	log_guest(&v->misdeeds, v->device.name,
		"the guest's driver sent its console a control message that makes no sense");
}

/* Under the lock. Tells the ports what the driver has said of them, and the other way round. */
static void ports_settle(struct virtio_ports *v)
{
	const bool going = virtio_is_going(&v->device);

	for (unsigned i = 0; i < v->port_count; i++) {
		struct port *p = &v->ports[i];
		const bool open = going && v->control.ports[i].open;
		console_control_connect(&v->control, i, port_has_somebody(p));
		if (open && !p->line.reads)
			port_ring(p);
		p->line.reads = open;
	}
}

static void control_serve(struct virtio_ports *v)
{
	lock_take(v->device.lock);
	if (virtio_is_going(&v->device) && !driver_has_ports(v))
		console_control_begin_single(&v->control);
	bool more = messages_take(v);
	ports_settle(v);
	more |= messages_send(v);
	misdeeds_report(v);
	lock_drop(v->device.lock);
	if (more)
		console_bell_ring(&v->bells[CONTROL_OUT]);
}

static void port_serve(struct port *p)
{
	if (console_port_serve(&p->line))
		port_ring(p);
	lock_take(p->all->device.lock);
	viewers_room(&p->viewers);
	lock_drop(p->all->device.lock);
	viewers_show(&p->viewers);
}

/* Context: main thread. */
static void on_bell(struct loop_source *s, uint32_t events)
{
	const struct console_bell *b = container_of(s, struct console_bell, source);
	struct virtio_ports *v = b->owner;
	const int n = queue_port((unsigned)(b - v->bells));
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	/* A driver without messages says nothing but 'go'. */
	if (n <= 0)
		control_serve(v);
	if (n >= 0)
		port_serve(&v->ports[n]);
}

/* Somebody has come or left, or there is something to move. Context: any thread. */
static void peer_changed(struct console_peer *peer)
{
	const struct port *p = container_of(peer, struct port, peer);

	console_bell_ring(&p->all->bells[CONTROL_OUT]);
	port_ring(p);
}

static void port_viewers_changed(struct viewers *viewers)
{
	console_bell_ring(&container_of(viewers, struct port, viewers)->all->bells[CONTROL_OUT]);
}

/* Under the lock, and so are the next two. */
static void port_heard(struct console_port *line, const uint8_t *bytes, size_t len)
{
	viewers_put(&container_of(line, struct port, line)->viewers, bytes, len);
}

static unsigned port_ask_room(struct viewers *viewers)
{
	return (unsigned)console_port_room(&container_of(viewers, struct port, viewers)->line);
}

static void port_type(struct viewers *viewers, const uint8_t *keys, size_t len)
{
	console_port_receive(&container_of(viewers, struct port, viewers)->line, keys, len);
}

/* Context: under the lock, any thread; and so are those below, but for the last one. */
static void ports_rang(struct virtio_device *d, unsigned n)
{
	console_bell_ring(&of_device(d)->bells[n]);
}

static void ports_reset(struct virtio_device *d)
{
	struct virtio_ports *v = of_device(d);

	console_control_reset(&v->control);
	console_bell_ring(&v->bells[CONTROL_OUT]);
}

static bool ports_watches(struct virtio_device *d, unsigned n, int eventfd)
{
	struct virtio_ports *v = of_device(d);

	v->bells[n].owner = v;
	return console_bell_watch(&v->bells[n], &v->pci.endpoint.vm->loop, eventfd, on_bell);
}

static void ports_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	const struct virtio_console_config c = {.max_nr_ports = htole32(of_device(d)->port_count)};

	memcpy(to, (const char *)&c + off, len);
}

static void ports_free(struct virtio_device *d)
{
	struct virtio_ports *v = of_device(d);

	for (unsigned i = 0; i < v->device.queue_count; i++)
		console_bell_mute(&v->bells[i]);
	for (unsigned i = 0; i < v->port_count; i++) {
		v->ports[i].viewers.changed = NULL;
		viewers_fini(&v->ports[i].viewers);
		console_peer_fini(&v->ports[i].peer);
	}
	/* The threads that ring them have ended. */
	for (unsigned i = 0; i < v->device.queue_count; i++)
		console_bell_close(&v->bells[i]);
	free(v);
}

static const struct virtio_ops ports_ops = {
	.name = "virtio-ports",
	.type = VIRTIO_TYPE_CONSOLE,
	.queue_count = 4,
	.in_order = true,
	.features = BIT64(VIRTIO_CONSOLE_F_MULTIPORT),
	.config_size = sizeof(struct virtio_console_config),
	.config_read = ports_config_read,
	.rang = ports_rang,
	.watches = ports_watches,
	.reset = ports_reset,
	.fini = ports_free,
};

static int port_init(struct virtio_ports *v, struct port *p, struct err *e)
{
	struct loop *loop = &v->pci.endpoint.vm->loop;
	const unsigned n = port_number(p);

	p->peer.guest = v->device.name;
	p->peer.name = p->spec.name;
	p->peer.changed = peer_changed;
	p->line = (struct console_port){.device = &v->device,
		.in = queue_in(n),
		.out = queue_in(n) + 1,
		.end = &p->peer.end,
		.heard = port_heard};
	p->viewers = (struct viewers){.lock = v->device.lock,
		.loop = loop,
		.room = port_ask_room,
		.receive = port_type,
		.changed = port_viewers_changed};
	viewers_init(&p->viewers);
	return console_peer_init(&p->peer, loop, e);
}

static struct virtio_ports *ports_new(
	struct vm *vm, const struct virtio_port_spec *specs, size_t count)
{
	struct virtio_ports *v = calloc(1, sizeof(*v) + count * sizeof(v->ports[0]));

	if (!v)
		return NULL;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		v->bells[i].source.fd = -1;
	v->port_count = v->control.port_count = (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		v->ports[i].all = v;
		v->ports[i].spec = specs[i];
		console_peer_prepare(&v->ports[i].peer, &specs[i].peer);
		v->control.ports[i].name = v->ports[i].spec.name;
	}
	virtio_init(&v->device, &ports_ops, vm->name, &vm->memory);
	v->device.queue_count = 2 * (unsigned)count + 2;
	return v;
}

static void ports_close(const struct virtio_port_spec *specs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct console_peer_spec left = specs[i].peer;
		fd_close(&left.fd);
		fd_close(&left.door_fd);
	}
}

int virtio_ports_add(struct vm *vm, const struct virtio_port_spec *specs, size_t count,
	struct virtio_ports **ret, struct err *e)
{
	struct virtio_ports *v = ports_new(vm, specs, count);

	if (!v) {
		ports_close(specs, count);
		return err_set(e, -ENOMEM, "make a virtio-console");
	}
	int r = virtio_pci_init(&v->pci, vm, &v->device, CLASS_SERIAL, e);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = port_init(v, &v->ports[i], e);
	if (r >= 0)
		r = pci_plug(vm, &v->pci.endpoint.func, "virtio-console", e);
	if (r < 0)
		virtio_pci_fini(&v->pci);
	else
		*ret = v;
	return r;
}

int virtio_ports_show(struct virtio_ports *v, size_t n, int fd, bool read_only)
{
	if (v && n < v->port_count)
		return viewers_add(&v->ports[n].viewers, fd, read_only);
	fd_close(&fd);
	return -ENOENT;
}
