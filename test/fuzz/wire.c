/* SPDX-License-Identifier: MIT */
/*
 * Messages between keeper, usher-vmm and clients, of which the sender may be anybody: what a check
 * accepts must be in bounds, and each descriptor must have exactly one owner. Then the same bytes
 * come through a socket, with descriptors: none of these may be left open after a refusal.
 *
 * Input: 1 byte kind of message, 1 byte count of descriptors, 1 byte how; then patches of 6 bytes
 * (offset 2, value 4) over a valid message, or its bytes.
 *
 * covers: src/wire/machine.c src/wire/message.c src/wire/call.c src/wire/control.c
 * covers: src/wire/order.c
 */
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "require.h"
#include "wire/call.h"
#include "wire/control.h"
#include "wire/image.h"
#include "wire/machine.h"
#include "wire/message.h"
#include "wire/order.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static union message {
	struct wire_header header;
	struct wire_machine machine;
	struct wire_call call;
	struct wire_event event;
	struct wire_command command;
	struct wire_attached attached;
	struct wire_order order;
	struct wire_done done;
	struct wire_image image;
	uint8_t bytes[sizeof(struct wire_done)]; /* the longest */
} message;

_Static_assert(sizeof(message) == sizeof(message.bytes), "any byte of any message may be changed");

static size_t message_size(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_MACHINE:
	case WIRE_DEVICES:
	case WIRE_ATTACH:
		return sizeof(message.machine);
	case WIRE_RESET_BUS:
	case WIRE_LEND_GROUP:
	case WIRE_LEAVE_GROUP:
	case WIRE_LEND_BACKEND:
	case WIRE_LEND_SOCKET:
	case WIRE_ANSWER:
		return sizeof(message.call);
	case WIRE_EVENT:
		return sizeof(message.event);
	case WIRE_COMMAND:
		return sizeof(message.command);
	case WIRE_ATTACHED:
		return sizeof(message.attached);
	case WIRE_ORDER:
		return sizeof(message.order);
	case WIRE_DONE:
		return sizeof(message.done);
	case WIRE_IMAGE:
		return sizeof(message.image);
	case WIRE_MADE:
		break;
	}
	return sizeof(message.header);
}

/* A guest that a device is lent to. */
static uint32_t fill_guest(struct wire_machine *m)
{
	uint32_t fds = 0;

	strcpy(m->name, "guest");
	m->memory = MIB(64);
	m->cpus = 1;
	m->kvm = fds++;
	m->kernel = fds++;
	m->initrd = fds++;
	m->lent_count = 1;
	m->lent_ioas = fds++;
	m->virtio_count = 2;
	m->virtio[0] = (struct wire_virtio){.type = WIRE_VIRTIO_RNG, .fd = WIRE_FD_NONE};
	m->virtio[1] = (struct wire_virtio){.type = WIRE_VIRTIO_BLK,
		.fd = fds++,
		.disk = {.size = MIB(1), .logical = 512, .physical = 4096, .queues = 1}};
	m->port_count = 2;
	m->ports[0] = (struct wire_port){
		.name = "line", .kind = WIRE_PORT_PTY, .fd = fds, .door = fds + 1};
	m->ports[1] = (struct wire_port){.name = "log",
		.kind = WIRE_PORT_FILE,
		.fd = fds + 2,
		.door = WIRE_FD_NONE,
		.limit = 1};
	return fds + 3;
}

/* Two devices in one I/O address space, or a card of one. */
static uint32_t fill_devices(struct wire_machine *m, uint32_t count)
{
	uint32_t fds = 0;

	const uint32_t ioas = fds++;
	m->device_count = count;
	for (uint32_t i = 0; i < m->device_count; i++)
		m->devices[i] = (struct wire_device){.kind = WIRE_DEVICE_VFIO,
			.address = {.bus = (uint8_t)(i + 1)},
			.ioas = ioas,
			.device = fds++,
			.rom_file = WIRE_FD_NONE};
	return fds;
}

static uint32_t fill_machine(enum wire_kind kind)
{
	struct wire_machine *m = &message.machine;

	wire_machine_init(m, kind);
	return kind == WIRE_MACHINE ? fill_guest(m) : fill_devices(m, kind == WIRE_DEVICES ? 2 : 1);
}

static bool is_machine(enum wire_kind kind)
{
	return kind == WIRE_MACHINE || kind == WIRE_DEVICES || kind == WIRE_ATTACH;
}

static uint32_t fill_message(enum wire_kind kind)
{
	memset(&message, 0, sizeof(message));
	message.header = (struct wire_header){
		.version = WIRE_VERSION, .kind = kind, .size = (uint32_t)message_size(kind)};
	if (kind == WIRE_EVENT)
		message.event.event = WIRE_EVENT_DONE;
	if (kind == WIRE_COMMAND)
		message.command.command = WIRE_COMMAND_STOP;
	if (kind == WIRE_ORDER)
		message.order.order = WIRE_ORDER_CONSOLE;
	if (!is_machine(kind))
		return kind == WIRE_ORDER;
	uint32_t fds = fill_machine(kind);
	message.header.version = WIRE_VERSION;
	message.header.size = (uint32_t)message_size(kind);
	return fds;
}

/* The first device's descriptor is the second one's I/O address space as well. */
static void name_twice(void)
{
	struct wire_machine *m = &message.machine;

	if (is_machine(m->header.kind) && m->device_count > 1)
		m->devices[1].ioas = m->devices[0].device;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* How often each descriptor is referred to: as an I/O address space, and otherwise. */
struct owners {
	size_t count;
	unsigned spaces[WIRE_FDS_MAX], others[WIRE_FDS_MAX];
};

static void own(struct owners *o, unsigned *how, uint32_t index)
{
	require(index < o->count, "an index names a descriptor that came");
	how[index]++;
}

static void own_optional(struct owners *o, uint32_t index)
{
	if (index != WIRE_FD_NONE)
		own(o, o->others, index);
}

static void require_device(struct owners *o, const struct wire_device *d)
{
	require(d->kind == WIRE_DEVICE_VFIO && d->group >= 0 && d->rom <= WIRE_ROM_FILE,
		"a device's fields are in bounds");
	require(d->address.dev < 32 && d->address.fn < 8, "an address is one");
	require(!(d->trace >> 6), "there are six BARs");
	own(o, o->spaces, d->ioas);
	own(o, o->others, d->device);
	require((d->rom == WIRE_ROM_FILE) == (d->rom_file != WIRE_FD_NONE), "a ROM has its file");
	own_optional(o, d->rom_file);
}

static void require_virtio(struct owners *o, const struct wire_virtio *v)
{
	const struct wire_disk *d = &v->disk;

	require((v->type != WIRE_VIRTIO_RNG && v->type != WIRE_VIRTIO_BALLOON) ==
			(v->fd != WIRE_FD_NONE),
		"a device has a descriptor");
	own_optional(o, v->fd);
	require(v->backend.queues <= WIRE_QUEUES_MAX, "a back end has queues");
	require(!v->backend.queues || is_text(v->backend.name, sizeof(v->backend.name)),
		"a back end's name is text");
	if (v->type != WIRE_VIRTIO_BLK || v->backend.queues)
		return;
	require(d->logical >= 512 && d->physical >= d->logical && d->size, "a disk has a size");
	require(!(d->size % d->logical), "a disk is whole blocks");
	require(d->queues && d->queues <= WIRE_QUEUES_MAX, "a disk has queues");
}

static void require_port(struct owners *o, const struct wire_port *p)
{
	require(p->name[0] && memchr(p->name, '\0', sizeof(p->name)), "a port has a name");
	require((p->kind == WIRE_PORT_PTY) == (p->door != WIRE_FD_NONE), "a terminal has a door");
	own_optional(o, p->fd);
	own_optional(o, p->door);
}

static void require_machine(const struct wire_machine *m, size_t fd_count)
{
	static struct owners o;

	o = (struct owners){.count = fd_count};
	require(fd_count <= WIRE_FDS_MAX && m->device_count <= WIRE_DEVICES_MAX,
		"counts are bound");
	if (m->header.kind == WIRE_MACHINE) {
		require(m->name[0] && is_text(m->name, sizeof(m->name)), "a name is text");
		for (const char *c = m->name; *c; c++)
			require(*c > 0x20 && *c < 0x7f, "a name goes into log lines");
		require(is_text(m->cmdline, sizeof(m->cmdline)), "a command line is text");
		require(m->cpus >= 1 && m->cpus <= WIRE_CPUS_MAX && m->memory, "a machine is one");
		require(m->slots <= WIRE_DEVICES_MAX, "slots are bound");
		own(&o, o.others, m->kvm);
		own(&o, o.others, m->kernel);
		own_optional(&o, m->initrd);
		own_optional(&o, m->interrupts);
		own_optional(&o, m->stats);
		own_optional(&o, m->calls);
		own_optional(&o, m->orders);
		require((m->lent_count > 0) == (m->lent_ioas != WIRE_FD_NONE) &&
				m->lent_count <= WIRE_DEVICES_MAX && !m->device_count,
			"lent devices have an I/O address space");
		own_optional(&o, m->lent_ioas);
	}
	require(m->virtio_count <= WIRE_VIRTIO_MAX, "virtio devices are bound");
	for (uint32_t i = 0; i < m->virtio_count; i++)
		require_virtio(&o, &m->virtio[i]);
	require(m->port_count <= WIRE_PORTS_MAX, "ports are bound");
	for (uint32_t i = 0; i < m->port_count; i++)
		require_port(&o, &m->ports[i]);
	for (uint32_t i = 0; i < m->device_count; i++) {
		require_device(&o, &m->devices[i]);
		for (uint32_t k = 0; k < i; k++)
			require(memcmp(&m->devices[k].address, &m->devices[i].address,
					sizeof(struct wire_address)) != 0,
				"no address comes twice");
	}
	for (size_t i = 0; i < fd_count; i++)
		require(o.others[i] + !!o.spaces[i] == 1, "each descriptor has one owner");
}

static void check_machine(size_t fd_count)
{
	struct err e = {0};

	if (wire_machine_check(&message.machine, fd_count, &e) == 0)
		require_machine(&message.machine, fd_count);
	else
		require(e.msg[0], "a refusal has a sentence");
}

static void check_event(void)
{
	const struct wire_event *v = &message.event;

	if (wire_event_check(v) < 0)
		return;
	require(is_text(v->from, sizeof(v->from)) && is_text(v->to, sizeof(v->to)) &&
			is_text(v->check, sizeof(v->check)) &&
			is_text(v->object, sizeof(v->object)) &&
			is_text(v->text, sizeof(v->text)) && is_text(v->hint, sizeof(v->hint)),
		"an event's texts are texts");
	require(v->device.dev < 32 && v->device.fn < 8, "an event's address is one");
}

static void require_order(const struct wire_order *o, size_t fd_count)
{
	require(o->order >= WIRE_ORDER_BUTTON && o->order <= WIRE_ORDER_BALLOON, "an order is one");
	require(fd_count == (o->order == WIRE_ORDER_FIGURES || o->order == WIRE_ORDER_CONSOLE),
		"an order has its descriptor");
	require(!(o->flags & WIRE_ORDER_UP) || o->order == WIRE_ORDER_LINK, "a link goes up");
	require(o->flags < WIRE_ORDER_UP << 1, "an order has the flags that there are");
	require(o->disk < WIRE_VIRTIO_MAX && o->card < WIRE_VIRTIO_MAX, "a device may be there");
}

static void check_message(enum wire_kind kind, size_t fd_count)
{
	if (is_machine(kind))
		check_machine(fd_count);
	else if (kind == WIRE_EVENT)
		check_event();
	else if (kind == WIRE_COMMAND && wire_command_check(&message.command) == 0)
		require(message.command.signal >= 0 && message.command.signal <= 64,
			"a signal is one");
	else if (kind == WIRE_ATTACHED && wire_attached_check(&message.attached) == 0)
		require(message.attached.result <= 0 &&
				is_text(message.attached.reason, sizeof(message.attached.reason)) &&
				is_text(message.attached.hint, sizeof(message.attached.hint)),
			"an answer is one");
	else if (kind == WIRE_ORDER && wire_order_check(&message.order, fd_count) == 0)
		require_order(&message.order, fd_count);
	else if (kind == WIRE_DONE && wire_done_check(&message.done) == 0)
		require(message.done.result <= 0 &&
				message.done.length <= sizeof(message.done.text),
			"the text of an answer is in it");
	else if (kind >= WIRE_RESET_BUS && kind <= WIRE_ANSWER &&
		 wire_call_check(&message.call) == 0)
		require(message.call.header.kind != WIRE_RESET_BUS ||
				(message.call.device.dev < 32 && message.call.device.fn < 8),
			"a call's device is one");
}

/* The lowest descriptor that is free: as before, if none was left open. */
static int lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)close(fd);
	return fd;
}

static void send_raw(int fd, size_t size, size_t fd_count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE((WIRE_FDS_MAX + 8) * sizeof(int))];
	} control = {0};
	struct iovec data = {.iov_base = message.bytes, .iov_len = size};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd_count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		for (size_t i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &fd, sizeof(int));
	}
	(void)sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void receive(enum wire_kind kind, size_t size, size_t fd_count, bool takes_fds)
{
	static union message got;
	struct wire_fds fds = {0};
	int ends[2];

	if (wire_pair(ends) < 0)
		return;
	send_raw(ends[0], size, fd_count);
	(void)shutdown(ends[0], SHUT_WR);
	int before = lowest_free();
	int r = wire_receive(ends[1], &got, message_size(kind), takes_fds ? &fds : NULL);
	require(r <= 0, "what receiving returns");
	if (r == 0) {
		require(size == message_size(kind), "a message has one size");
		require(fds.count == (takes_fds ? fd_count : 0), "all descriptors came");
		require(memcmp(&got, &message, size) == 0, "what was sent has come");
	}
	wire_close(&fds);
	require(lowest_free() == before, "no descriptor is left open");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void send_whole(enum wire_kind kind)
{
	struct wire_fds fds = {0};
	int ends[2];

	if (wire_pair(ends) < 0)
		return;
	for (unsigned i = 0; i < 3; i++)
		(void)wire_add(&fds, dup(ends[0]));
	require(wire_send(ends[0], &message, message_size(kind), &fds) == 0, "a message is sent");
	wire_close(&fds);
	(void)close(ends[0]);
	union message *got = malloc(sizeof(*got));
	require(wire_receive(ends[1], got, message_size(kind), &fds) == 0 && fds.count == 3,
		"what is sent whole is received");
	wire_close(&fds);
	require(wire_receive(ends[1], got, message_size(kind), NULL) < 0, "then the end is closed");
	free(got);
	(void)close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	enum wire_kind kind = data[0] % (WIRE_DONE + 2); /* one below, one above */
	size_t fd_count = fill_message(kind), asked = data[1];
	unsigned how = data[2];
	data += 3;
	size -= 3;
	if (how & 64)
		name_twice();
	if (how & 1)
		fd_count = asked;
	if (how & 2)
		memcpy(message.bytes, data, min_u64(size, sizeof(message.bytes)));
	for (; !(how & 2) && size >= 6; data += 6, size -= 6)
		le32_put(message.bytes + le16_get(data) % (message_size(kind) - 3),
			le32_get(data + 2));
	check_message(kind, fd_count);
	if (how & 4)
		receive(kind, how & 8 ? message_size(kind) : asked % sizeof(message),
			min_u64(fd_count, WIRE_FDS_MAX + 8), how & 16);
	if (how & 32)
		send_whole(kind);
	return 0;
}
