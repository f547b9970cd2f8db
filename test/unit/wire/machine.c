/* SPDX-License-Identifier: MIT */
#include "wire/machine.h"

#include "base/err.h"
#include "suite.h"
#include "wire/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FDS 5 /* of the guest below */
#define DEVICES_FDS 4

/* A guest that two devices are lent to. */
static void machine_set(struct wire_machine *m)
{
	wire_machine_init(m, WIRE_MACHINE);
	(void)strcpy(m->name, "guest");
	(void)strcpy(m->cmdline, "console=ttyS0");
	m->memory = 1 << 24;
	m->cpus = 1;
	m->kvm = 0;
	m->kernel = 1;
	m->initrd = 2;
	m->calls = 3;
	m->lent_count = 2;
	m->lent_ioas = 4;
}

/* The two, in one I/O address space, the second with a ROM of its own. */
static void devices_set(struct wire_machine *m)
{
	wire_machine_init(m, WIRE_DEVICES);
	m->ready_ns = 1;
	m->device_count = 2;
	m->devices[0] = (struct wire_device){
		.kind = WIRE_DEVICE_VFIO,
		.address = {.bus = 1},
		.ioas = 0,
		.device = 1,
		.group = 7,
		.rom_file = WIRE_FD_NONE,
	};
	m->devices[1] = m->devices[0];
	m->devices[1].address.fn = 1;
	m->devices[1].device = 2;
	m->devices[1].rom = WIRE_ROM_FILE;
	m->devices[1].rom_file = 3;
}

static struct wire_machine m;

static void expect_refused_of(size_t fd_count, const char *what)
{
	struct err e = {0};

	int r = wire_machine_check(&m, fd_count, &e);
	ck_assert_msg(r == -EPROTO && strstr(e.msg, what), "'%s', not '%s'", e.msg, what);
}

static void expect_refused(const char *what)
{
	expect_refused_of(FDS, what);
	machine_set(&m);
}

#define REFUSED(change, what)         \
	do {                          \
		change;               \
		expect_refused(what); \
	} while (0)

#define REFUSED_DEVICES(change, what)                 \
	do {                                          \
		devices_set(&m);                      \
		change;                               \
		expect_refused_of(DEVICES_FDS, what); \
	} while (0)

/* The guest's initrd is its disk. */
static struct wire_disk *disk_set(void)
{
	m.virtio_count = 1;
	m.virtio[0] = (struct wire_virtio){
		.type = WIRE_VIRTIO_BLK, .fd = m.initrd, .disk = {4096, 512, 4096, 0, 1, "serial"}};
	m.initrd = WIRE_FD_NONE;
	return &m.virtio[0].disk;
}

START_TEST(a_disk)
{
	struct err e = {0};

	machine_set(&m);
	(void)disk_set();
	ck_assert_msg(wire_machine_check(&m, FDS, &e) == 0, "%s", e.msg);
	m.virtio[0].fd = m.kernel;
	expect_refused("a virtio device's descriptor");
	REFUSED(disk_set()->size = 0, "a disk's size");
	REFUSED(disk_set()->size = 4096 + 511, "a disk's size");
	REFUSED(disk_set()->size = UINT64_MAX - 511, "a disk's size");
	REFUSED(disk_set()->logical = 0, "a disk's block size");
	REFUSED(disk_set()->logical = 256, "a disk's block size");
	REFUSED(disk_set()->logical = 1 << 21, "a disk's block size");
	REFUSED(disk_set()->logical = 1536, "a disk's block size");
	REFUSED(disk_set()->physical = 256, "a disk's block size");
	REFUSED(disk_set()->flags = 8, "a disk's flag");
	REFUSED(disk_set()->queues = 0, "a disk's number of queues");
	REFUSED(disk_set()->queues = WIRE_QUEUES_MAX + 1, "a disk's number of queues");
}
END_TEST

/* The guest's initrd is what the port has, and so is its socket for calls. */
static struct wire_port *port_set(uint32_t kind)
{
	m.port_count = 1;
	m.ports[0] = (struct wire_port){
		.name = "agent", .kind = kind, .fd = m.initrd, .door = WIRE_FD_NONE};
	m.initrd = WIRE_FD_NONE;
	if (kind == WIRE_PORT_PTY) {
		m.ports[0].door = m.calls;
		m.calls = WIRE_FD_NONE;
	}
	return &m.ports[0];
}

START_TEST(a_port)
{
	struct err e = {0};

	for (uint32_t kind = WIRE_PORT_SOCKET; kind <= WIRE_PORT_FILE; kind++) {
		machine_set(&m);
		(void)port_set(kind);
		ck_assert_msg(wire_machine_check(&m, FDS, &e) == 0, "%s", e.msg);
	}
	machine_set(&m);
	REFUSED(port_set(WIRE_PORT_NONE), "a port's descriptor");
	REFUSED(port_set(WIRE_PORT_STDIO + 1), "a port's kind");
	REFUSED(port_set(WIRE_PORT_FILE)->pad = 1, "a port's kind");
	REFUSED(port_set(WIRE_PORT_FILE)->fd = m.kvm, "a port's descriptor");
	REFUSED(port_set(WIRE_PORT_FILE)->door = m.calls, "a port's descriptor");
	REFUSED(port_set(WIRE_PORT_PTY)->door = WIRE_FD_NONE, "a port's descriptor");
	REFUSED(port_set(WIRE_PORT_SOCKET)->limit = 1, "a port's limit");
	REFUSED(memset(port_set(WIRE_PORT_FILE)->name, 'x', WIRE_NAME_MAX), "a port's name");
	REFUSED(port_set(WIRE_PORT_FILE)->name[1] = '\033', "a port's name");
	m.port_count = 1;
	m.ports[0] = (struct wire_port){
		.name = "stdio", .kind = WIRE_PORT_STDIO, .fd = WIRE_FD_NONE, .door = WIRE_FD_NONE};
	expect_refused("who has standard input");
}
END_TEST

START_TEST(a_whole_guest)
{
	struct err e = {0};

	machine_set(&m);
	ck_assert_msg(wire_machine_check(&m, FDS, &e) == 0, "%s", e.msg);
}
END_TEST

/* A network card, whose descriptor is that of the initial ramdisk otherwise. */
static struct wire_net *set_net(void)
{
	m.virtio_count = 1;
	m.virtio[0] = (struct wire_virtio){.type = WIRE_VIRTIO_NET,
		.fd = m.initrd,
		.net = {.line = WIRE_NET_TAP, .mac = {2}, .vhost = WIRE_FD_NONE}};
	m.initrd = WIRE_FD_NONE;
	return &m.virtio[0].net;
}

START_TEST(a_network_card)
{
	struct err e = {0};

	machine_set(&m);
	(void)set_net();
	ck_assert_msg(wire_machine_check(&m, FDS, &e) == 0, "%s", e.msg);
	machine_set(&m);
	REFUSED((set_net(), m.virtio[0].fd = WIRE_FD_NONE), "a virtio device's descriptor");
	REFUSED((set_net(), m.virtio[0].fd = m.kernel), "a virtio device's descriptor");
	REFUSED(set_net()->line = 0, "the line of a network card");
	REFUSED(set_net()->line = WIRE_NET_STREAM + 1, "the line of a network card");
	REFUSED(set_net()->mac[0] = 3, "the address of a network card");
	REFUSED(set_net()->mtu = 67, "the MTU of a network card");
	REFUSED(set_net()->vhost = m.kernel, "a descriptor of a network card");
	REFUSED(set_net()->more_count = 1, "the number of queues of a network card");
	REFUSED((set_net()->more_count = WIRE_NET_PAIRS_MAX, m.virtio[0].net.vhost = m.kvm),
		"the number of queues of a network card");
	REFUSED(set_net()->flags = 4, "the flag of a network card");
	REFUSED((set_net(), m.virtio[0].disk.size = 512), "a disk");
	REFUSED((set_net(), m.virtio[0].type = WIRE_VIRTIO_BLK), "a network card");
}
END_TEST

START_TEST(a_guest_out_of_bounds)
{
	machine_set(&m);
	REFUSED(m.header.kind = WIRE_ANSWER, "the kind of message");
	REFUSED(m.name[0] = '\0', "the name");
	REFUSED(m.name[2] = '\033', "the name");
	REFUSED(memset(m.name, 'x', sizeof(m.name)), "the name");
	REFUSED(memset(m.cmdline, 'x', sizeof(m.cmdline)), "the command line");
	REFUSED(m.memory = 0, "the size of memory");
	REFUSED(m.backing = WIRE_BACKING_POOL + 1, "the kind of memory");
	REFUSED(m.cpus = 0, "the number of processors");
	REFUSED(m.cpus = WIRE_CPUS_MAX + 1, "the number of processors");
	REFUSED(m.slots = WIRE_DEVICES_MAX + 1, "the number of slots");
	REFUSED(m.flags = 1U << 31, "a flag");
	REFUSED(m.console = WIRE_CONSOLE_NONE + 1, "the kind of console");
	REFUSED(m.port_count = WIRE_PORTS_MAX + 1, "the number of ports");
	REFUSED(m.port_count = 1, "a port's name");
	REFUSED(m.virtio_count = WIRE_VIRTIO_MAX + 1, "the number of virtio devices");
	REFUSED(m.virtio_count = 1, "the type of a virtio device");
	REFUSED((m.virtio_count = 1, m.virtio[0].type = WIRE_VIRTIO_RNG,
			m.virtio[0].fd = WIRE_FD_NONE, m.virtio[0].disk.size = 512),
		"a disk");
	REFUSED((m.virtio_count = 1, m.virtio[0].type = WIRE_VIRTIO_RNG),
		"a virtio device's descriptor");
	REFUSED(m.lent_count = WIRE_DEVICES_MAX + 1, "the number of devices");
	REFUSED(m.lent_count = 0, "the I/O address space");
	REFUSED(m.lent_ioas = WIRE_FD_NONE, "the I/O address space");
	REFUSED(m.lent_ioas = m.kernel, "the I/O address space");
	REFUSED(m.device_count = 1, "the number of devices");
	REFUSED(m.ready_ns = 1, "the time");
}
END_TEST

/* The guest's initrd is /dev/vhost-vsock. */
static struct wire_virtio *vsock_set(uint64_t cid)
{
	m.virtio_count = 1;
	m.virtio[0] = (struct wire_virtio){
		.type = WIRE_VIRTIO_VSOCK, .fd = m.initrd, .net.vhost = 0, .cid = cid};
	m.initrd = WIRE_FD_NONE;
	return &m.virtio[0];
}

/* Nothing is lent to the guest; its initrd is what the I/O address space was. */
static void alone_set(void)
{
	m.lent_count = 0;
	m.initrd = m.lent_ioas;
	m.lent_ioas = WIRE_FD_NONE;
}

static struct wire_virtio *balloon_set(void)
{
	m.virtio_count = 1;
	m.virtio[0] = (struct wire_virtio){.type = WIRE_VIRTIO_BALLOON, .fd = WIRE_FD_NONE};
	return &m.virtio[0];
}

START_TEST(sockets_and_a_balloon)
{
	machine_set(&m);
	(void)vsock_set(3);
	ck_assert_int_eq(wire_machine_check(&m, FDS, NULL), 0);
	machine_set(&m);
	REFUSED(vsock_set(2), "an address of sockets");
	REFUSED(vsock_set(UINT32_MAX), "an address of sockets");
	REFUSED(vsock_set(UINT64_MAX), "an address of sockets");
	vsock_set(3)->vsock_listens = 1;
	ck_assert_int_eq(wire_machine_check(&m, FDS, NULL), 0);
	machine_set(&m);
	REFUSED(vsock_set(3)->vsock_listens = 2, "who serves sockets");
	REFUSED(vsock_set(3)->pad = 1, "who serves sockets");
	REFUSED(vsock_set(3)->fd = m.kernel, "a virtio device's descriptor");
	REFUSED(vsock_set(3)->disk.size = 512, "a disk");
	REFUSED(vsock_set(3)->type = WIRE_VIRTIO_RNG, "a virtio device's descriptor");
	/* With lent devices, or in large pages, nothing can be given back. */
	REFUSED(balloon_set(), "a balloon");
	REFUSED((balloon_set(), alone_set(), m.backing = WIRE_BACKING_POOL), "a balloon");
	REFUSED((balloon_set()->cid = 3, alone_set()), "an address of sockets");
	REFUSED((balloon_set()->vsock_listens = 1, alone_set()), "who serves sockets");
	REFUSED((balloon_set()->fd = m.initrd, alone_set()), "a virtio device's descriptor");
}
END_TEST

START_TEST(descriptors_out_of_bounds)
{
	machine_set(&m);
	REFUSED(m.kvm = WIRE_FD_NONE, "a descriptor");
	REFUSED(m.kernel = FDS, "a descriptor");
	REFUSED(m.initrd = m.kernel, "a descriptor");
	REFUSED(m.calls = WIRE_FD_NONE, "a descriptor that nothing refers to");
	REFUSED_DEVICES(m.devices[0].device = DEVICES_FDS, "a device's descriptor");
	REFUSED_DEVICES(m.devices[1].device = m.devices[0].device, "a device's descriptor");
	REFUSED_DEVICES(m.devices[1].device = m.devices[1].ioas, "a device's descriptor");
	REFUSED_DEVICES(m.devices[1].ioas = m.devices[0].device, "a device's descriptor");
	REFUSED_DEVICES(m.devices[1].rom_file = WIRE_FD_NONE, "a ROM's descriptor");
	REFUSED_DEVICES(m.devices[0].rom_file = m.devices[1].rom_file, "a ROM's descriptor");
}
END_TEST

START_TEST(a_device_out_of_bounds)
{
	devices_set(&m);
	ck_assert_int_eq(wire_machine_check(&m, DEVICES_FDS, NULL), 0);
	REFUSED_DEVICES(m.device_count = WIRE_DEVICES_MAX + 1, "the number of devices");
	REFUSED_DEVICES(m.device_count = UINT32_MAX, "the number of devices");
	REFUSED_DEVICES(m.cpus = 1, "a field beside the devices");
	REFUSED_DEVICES(m.lent_count = 2, "a field beside the devices");
	REFUSED_DEVICES(m.lent_ioas = 0, "a field beside the devices");
	REFUSED_DEVICES(m.devices[0].kind = 0, "a device's kind");
	REFUSED_DEVICES(m.devices[0].kind = WIRE_DEVICE_VFIO + 1, "a device's kind");
	REFUSED_DEVICES(m.devices[0].address.dev = 32, "a device's address");
	REFUSED_DEVICES(m.devices[0].address.fn = 8, "a device's address");
	REFUSED_DEVICES(m.devices[0].address.zero = 1, "a device's address");
	REFUSED_DEVICES(m.devices[1].address.fn = 0, "an address that comes twice");
	REFUSED_DEVICES(m.devices[0].group = -1, "a device's group");
	REFUSED_DEVICES(m.devices[0].rom = WIRE_ROM_FILE + 1, "a device's ROM");
	REFUSED_DEVICES(m.devices[0].trace = 1 << 6, "a device's trace");
}
END_TEST

START_TEST(devices_for_a_guest_that_runs)
{
	struct wire_machine more;
	struct err e = {0};

	devices_set(&m);
	wire_machine_init(&more, WIRE_ATTACH);
	more.device_count = 1;
	more.devices[0] = m.devices[0];
	ck_assert_msg(wire_machine_check(&more, 2, &e) == 0, "%s", e.msg);
	more.cpus = 1;
	ck_assert_int_eq(wire_machine_check(&more, 2, &e), -EPROTO);
	more.cpus = 0;
	more.ready_ns = 1; /* of a guest that starts alone */
	ck_assert_int_eq(wire_machine_check(&more, 2, &e), -EPROTO);
	more.ready_ns = 0;
	more.device_count = 0;
	ck_assert_int_eq(wire_machine_check(&more, 0, &e), -EPROTO);
	more.header.kind = WIRE_DEVICES; /* none are lent, and the guest runs */
	ck_assert_int_eq(wire_machine_check(&more, 0, &e), 0);
}
END_TEST

START_TEST(an_answer_out_of_bounds)
{
	static struct wire_attached a = {.header.kind = WIRE_ATTACHED};

	ck_assert_int_eq(wire_attached_check(&a), 0);
	a.result = 1;
	ck_assert_int_eq(wire_attached_check(&a), -EPROTO);
	a.result = -EINVAL;
	memset(a.hint, 'x', sizeof(a.hint));
	ck_assert_int_eq(wire_attached_check(&a), -EPROTO);
	a.hint[0] = a.hint[WIRE_REASON_MAX - 1] = '\0';
	memset(a.reason, 'x', sizeof(a.reason));
	ck_assert_int_eq(wire_attached_check(&a), -EPROTO);
	a.reason[0] = a.reason[WIRE_REASON_MAX - 1] = '\0';
	ck_assert_int_eq(wire_attached_check(&a), 0);
	a.header.kind = WIRE_ATTACH;
	ck_assert_int_eq(wire_attached_check(&a), -EPROTO);
}
END_TEST

/* Any bytes are refused or in bounds, as the sanitizers check. */
START_TEST(garbage)
{
	unsigned char *bytes = (unsigned char *)&m;
	struct err e = {0};

	srandom(1);
	for (unsigned round = 0; round < 2000; round++) {
		if (round % 2)
			machine_set(&m);
		else
			devices_set(&m);
		for (unsigned i = 0; i <= round % 16; i++)
			bytes[(size_t)random() % sizeof(m)] = (unsigned char)random();
		if (wire_machine_check(&m, (size_t)random() % (2 * WIRE_FDS_MAX), &e) < 0)
			ck_assert_ptr_nonnull(strstr(e.msg, "is invalid"));
	}
	for (size_t i = 0; i < sizeof(m); i++)
		bytes[i] = (unsigned char)random();
	ck_assert_int_eq(wire_machine_check(&m, WIRE_FDS_MAX, &e), -EPROTO);
}
END_TEST

START_TEST(orders_are_checked)
{
	struct wire_order o = {.header.kind = WIRE_ORDER, .order = WIRE_ORDER_PAUSE};
	static struct wire_done d = {.header.kind = WIRE_DONE};

	ck_assert_int_eq(wire_order_check(&o, 0), 0);
	ck_assert_int_eq(wire_order_check(&o, 1), -EPROTO);
	o.order = WIRE_ORDER_CONSOLE;
	o.flags = WIRE_ORDER_READ_ONLY;
	ck_assert_int_eq(wire_order_check(&o, 1), 0);
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.flags = 2;
	ck_assert_int_eq(wire_order_check(&o, 1), -EPROTO);
	o.flags = 0;
	o.port = 1;
	ck_assert_int_eq(wire_order_check(&o, 1), 0);
	o.order = WIRE_ORDER_RESET;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.port = 0;
	ck_assert_int_eq(wire_order_check(&o, 0), 0);
	o.order = WIRE_ORDER_CONSOLE + 1;
	o.flags = 0;
	ck_assert_int_eq(wire_order_check(&o, 1), -EPROTO);
	o = (struct wire_order){.header.kind = WIRE_ORDER, .order = WIRE_ORDER_PLUG};
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO); /* no functions */
	o.function_count = 2;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO); /* one twice */
	o.functions[1].fn = 1;
	ck_assert_int_eq(wire_order_check(&o, 0), 0);
	o.functions[1].bus = 1;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO); /* of two cards */
	o.functions[1] = (struct wire_address){.fn = 8};
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.function_count = WIRE_FUNCTIONS_MAX + 1;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.function_count = 1;
	o.order = WIRE_ORDER_LENT;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.function_count = 0;
	ck_assert_int_eq(wire_order_check(&o, 0), 0);
	o = (struct wire_order){
		.header.kind = WIRE_ORDER, .order = WIRE_ORDER_BALLOON, .size = 4096};
	ck_assert_int_eq(wire_order_check(&o, 0), 0);
	o.order = WIRE_ORDER_RESET;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	o.size = 0;
	o.order = WIRE_ORDER_BALLOON + 1;
	ck_assert_int_eq(wire_order_check(&o, 0), -EPROTO);
	d.length = sizeof(d.text);
	ck_assert_int_eq(wire_done_check(&d), 0);
	d.length++;
	ck_assert_int_eq(wire_done_check(&d), -EPROTO);
	d.length = 0;
	d.result = 1;
	ck_assert_int_eq(wire_done_check(&d), -EPROTO);
}
END_TEST

SUITE("machine", a_whole_guest, a_disk, a_network_card, a_port, a_guest_out_of_bounds,
	sockets_and_a_balloon, descriptors_out_of_bounds, a_device_out_of_bounds,
	devices_for_a_guest_that_runs, an_answer_out_of_bounds, garbage, orders_are_checked)
