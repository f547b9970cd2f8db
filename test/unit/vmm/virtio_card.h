/* SPDX-License-Identifier: MIT */
#ifndef TEST_VMM_VIRTIO_CARD_H
#define TEST_VMM_VIRTIO_CARD_H

/*
 * A machine with a virtio-net, its driver, and the other end of its line: a socket of packets in
 * place of a tap, or a stream.
 */
#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/copy.h"
#include "vmm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define RINGS(n) (MIB(8) + (n)*KIB(64)) /* of queue n: descriptors, available at 4K, used at 8K */
#define DATA(n) (MIB(9) + (n)*MIB(1)) /* a buffer each 64 KiB */
#define STEP KIB(64)
#define SIZE 16
#define BUS 1
#define RX 0
#define TX 1
#define HEADER 12
#define GOING                                                                                 \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define CONFIG(field) offsetof(struct virtio_net_config, field)
#define BASICS (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_NET_F_MRG_RXBUF))

static struct machine machine;
static uint32_t bar; /* where BAR 0 is */
static uint32_t places[6]; /* offset in BAR 0, by type of capability */
static int peer; /* the other end of the line */
static uint16_t listed[2]; /* chains, by queue */
static uint8_t bytes[KIB(128)];

static uint32_t config_get(unsigned off, unsigned size)
{
	return pci_config_read_at(machine.vm.pci, BUS, 0, off, size);
}

static uint64_t reg_get(unsigned type, uint64_t off, unsigned size)
{
	return bus_read(&machine.vm.mmio, bar + places[type] + off, size);
}

static uint64_t common_get(uint64_t field, unsigned size)
{
	return reg_get(VIRTIO_PCI_CAP_COMMON_CFG, field, size);
}

static void common_put(uint64_t field, unsigned size, uint64_t value)
{
	bus_write(&machine.vm.mmio, bar + places[VIRTIO_PCI_CAP_COMMON_CFG] + field, size, value);
}

static void find_places(void)
{
	for (unsigned at = config_get(PCI_CAPABILITY_LIST, 1); at;
		at = config_get(at + PCI_CAP_LIST_NEXT, 1)) {
		if (config_get(at, 1) != PCI_CAP_ID_VNDR)
			continue;
		unsigned type = config_get(at + offsetof(struct virtio_pci_cap, cfg_type), 1);
		ck_assert_uint_lt(type, COUNT(places));
		places[type] = config_get(at + offsetof(struct virtio_pci_cap, offset), 4);
	}
}

static void start(bool stream)
{
	static struct machine_spec spec = {.name = "net",
		.memory = MIB(16),
		.cpus = 1,
		.cmdline = "",
		.kernel.name = "plug",
		.initrd.fd = -1,
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.virtio_count = 1};
	struct err e = {0};
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX,
				 (stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, ends),
		0);
	peer = ends[0];
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_NET,
		.fd = ends[1],
		.net = {.vhost = -1,
			.stream = stream,
			.mac = {2, 1, 2, 3, 4, 5},
			.mtu = stream ? 1400 : 0}};
	spec.kernel.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC);
	spec.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4), 0x10411af4);
	find_places();
	bar = config_get(PCI_BASE_ADDRESS_0, 4) & ~15u;
	pci_config_write_at(
		machine.vm.pci, BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void place_queue(unsigned n)
{
	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(RINGS(n)), 0, KIB(12)), 0);
	common_put(COMMON(queue_select), 2, n);
	common_put(COMMON(queue_size), 2, SIZE);
	common_put(COMMON(queue_desc_lo), 8, RINGS(n));
	common_put(COMMON(queue_avail_lo), 8, RINGS(n) + KIB(4));
	common_put(COMMON(queue_used_lo), 8, RINGS(n) + KIB(8));
	common_put(COMMON(queue_enable), 2, 1);
	listed[n] = 0;
}

static void set_up(uint64_t features)
{
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	common_put(COMMON(device_status), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		common_put(COMMON(guest_feature_select), 4, half);
		common_put(COMMON(guest_feature), 4, (uint32_t)(features >> 32 * half));
	}
	common_put(COMMON(device_status), 1, GOING & ~VIRTIO_CONFIG_S_DRIVER_OK);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	place_queue(RX);
	place_queue(TX);
	common_put(COMMON(device_status), 1, GOING);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
}

static void stop_loop(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	loop_stop(&machine.vm.loop);
}

/*
 * The main thread serves what has come, until nothing is left that could be served: a device that
 * spins is still busy after so many turns.
 */
static void serve(void)
{
	struct pollfd any = {.fd = machine.vm.loop.epoll_fd, .events = POLLIN};

	for (unsigned turn = 0; poll(&any, 1, 0) == 1; turn++) {
		struct loop_source s = {.fd = eventfd(1, EFD_NONBLOCK), .ready = stop_loop};
		ck_assert_msg(turn < 1000, "the device spins");
		ck_assert_int_eq(loop_add(&machine.vm.loop, &s, NULL), 0);
		ck_assert_int_eq(loop_run(&machine.vm.loop, NULL), 0);
		loop_restart(&machine.vm.loop);
		loop_remove(&machine.vm.loop, &s);
		(void)close(s.fd);
	}
}

static uint16_t used_index(unsigned n)
{
	uint16_t v;

	ck_assert_int_eq(memory_le16_get(&machine.vm.memory, GPA(RINGS(n) + KIB(8) + 2), &v), 0);
	return v;
}

static uint32_t used_size(unsigned n, unsigned i)
{
	uint32_t v;

	ck_assert_int_eq(memory_le32_get(&machine.vm.memory,
				 GPA(RINGS(n) + KIB(8) + 4 + 8 * (i % SIZE) + 4), &v),
		0);
	return v;
}

/* Lists a chain of one buffer at @at. */
static void list_at(unsigned n, uint64_t at, uint32_t size)
{
	struct memory *m = &machine.vm.memory;
	const unsigned i = listed[n] % SIZE;
	const struct vring_desc d = {at, size, n == RX ? VRING_DESC_F_WRITE : 0, 0};

	ck_assert_int_eq(memory_write(m, GPA(RINGS(n) + 16 * i), &d, sizeof(d)), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS(n) + KIB(4) + 4 + 2 * i), (uint16_t)i), 0);
	ck_assert_int_eq(memory_le16_put(m, GPA(RINGS(n) + KIB(4) + 2), ++listed[n]), 0);
}

static uint64_t buffer_at(unsigned n, unsigned i)
{
	return DATA(n) + STEP * (i % SIZE);
}

static void list(unsigned n, uint32_t size)
{
	list_at(n, buffer_at(n, listed[n]), size);
}

static void ring(unsigned n)
{
	bus_write(&machine.vm.mmio, bar + places[VIRTIO_PCI_CAP_NOTIFY_CFG] + 4 * n, 2, n);
	serve();
}

static uint8_t frame_byte(unsigned seed, uint32_t i)
{
	return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

/* The driver sends a frame of @size bytes with this header. */
static void send_frame(const struct virtio_net_hdr_v1 *h, uint32_t size, unsigned seed)
{
	struct memory *m = &machine.vm.memory;
	const uint64_t at = buffer_at(TX, listed[TX]);

	for (uint32_t i = 0; i < size; i++)
		bytes[i] = frame_byte(seed, i);
	ck_assert_int_eq(memory_write(m, GPA(at), h, HEADER), 0);
	ck_assert_int_eq(memory_write(m, GPA(at + HEADER), bytes, size), 0);
	list(TX, HEADER + size);
	ring(TX);
}

static void expect_bytes(const uint8_t *got, uint32_t size, unsigned seed)
{
	for (uint32_t i = 0; i < size; i++)
		ck_assert_msg(got[i] == frame_byte(seed, i), "byte %u", i);
}

static void peer_put(uint32_t size, unsigned seed, const struct virtio_net_hdr_v1 *h)
{
	const uint32_t length = htobe32(size);
	const size_t front = h ? HEADER : sizeof(length);

	memcpy(bytes, h ? (const void *)h : (const void *)&length, front);
	for (uint32_t i = 0; i < size; i++)
		bytes[front + i] = frame_byte(seed, i);
	ck_assert_int_eq(send(peer, bytes, front + size, 0), (ssize_t)(front + size));
}

static void expect_received(unsigned i, uint32_t size, unsigned seed)
{
	ck_assert_uint_eq(used_size(RX, i), HEADER + size);
	ck_assert_int_eq(
		memory_read(&machine.vm.memory, GPA(buffer_at(RX, i) + HEADER), bytes, size), 0);
	expect_bytes(bytes, size, seed);
}

static void finish(void)
{
	machine_fini(&machine);
	(void)close(peer);
	ck_assert_uint_eq(machine.vm.memory.count, 0);
}

static const struct virtio_net_hdr_v1 plain;

#endif
