/* SPDX-License-Identifier: MIT */
#ifndef TEST_VMM_VIRTIO_CARD_H
#define TEST_VMM_VIRTIO_CARD_H

/*
 * A machine with a virtio-net, its driver, and the other end of its line: a socket of packets in
 * place of a tap, or a stream.
 */
#include "virtio_rig.h"

#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA(n) (MIB(9) + (n)*MIB(1)) /* a buffer each 64 KiB */
#define STEP KIB(64)
#define RX 0
#define TX 1
#define HEADER 12
#define CONFIG(field) offsetof(struct virtio_net_config, field)
#define BASICS (BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_NET_F_MRG_RXBUF))

static int peer; /* the other end of the line */
static uint8_t bytes[KIB(128)];
static bool reaches_host; /* frames for the loopback go out */

static void start(bool stream)
{
	int ends[2];

	machine_describe("net");
	ck_assert_int_eq(socketpair(AF_UNIX,
				 (stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, ends),
		0);
	peer = ends[0];
	spec.virtio_count = 1;
	spec.virtio[0] = (struct virtio_spec){.type = VIRTIO_TYPE_NET,
		.fd = ends[1],
		.net = {.vhost = -1,
			.stream = stream,
			.reaches_host = reaches_host,
			.mac = {2, 1, 2, 3, 4, 5},
			.mtu = stream ? 1400 : 0}};
	(void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	machine_start();
	device_choose(1, VIRTIO_TYPE_NET);
}

/* Its reset does not take time. */
static void set_up(uint64_t features)
{
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	features_accept(features);
	ck_assert(common_get(COMMON(device_status), 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned n = RX; n <= TX; n++) {
		queue_place(n);
		queue_enable(n);
	}
	driver_go();
}

/* Lists a chain of one buffer at @at. */
static void list_at(unsigned n, uint64_t at, uint32_t size)
{
	const unsigned i = listed[n] % RING_SIZE;

	descriptor_put(n, i, at, size, n == RX ? VRING_DESC_F_WRITE : 0, 0);
	head_list(n, i);
}

static uint64_t buffer_at(unsigned n, unsigned i)
{
	return DATA(n) + STEP * (i % RING_SIZE);
}

static void list(unsigned n, uint32_t size)
{
	list_at(n, buffer_at(n, listed[n]), size);
}

static uint8_t frame_byte(unsigned seed, uint32_t i)
{
	return (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

/* The driver sends a frame of @size bytes with this header. */
static inline void send_frame(const struct virtio_net_hdr_v1 *h, uint32_t size, unsigned seed)
{
	const uint64_t at = buffer_at(TX, listed[TX]);

	for (uint32_t i = 0; i < size; i++)
		bytes[i] = frame_byte(seed, i);
	memory_put(at, h, HEADER);
	memory_put(at + HEADER, bytes, size);
	list(TX, HEADER + size);
	ring(TX);
}

/* The driver sends this frame. */
static inline void send_bytes(const uint8_t *frame, uint32_t size)
{
	const uint64_t at = buffer_at(TX, listed[TX]);

	ck_assert_int_eq(memory_fill(&machine.vm.memory, GPA(at), 0, HEADER), 0);
	memory_put(at + HEADER, frame, size);
	list(TX, HEADER + size);
	ring(TX);
}

static void expect_bytes(const uint8_t *got, uint32_t size, unsigned seed)
{
	for (uint32_t i = 0; i < size; i++)
		ck_assert_msg(got[i] == frame_byte(seed, i), "byte %u", i);
}

static inline void peer_put(uint32_t size, unsigned seed, const struct virtio_net_hdr_v1 *h)
{
	const uint32_t length = htobe32(size);
	const size_t front = h ? HEADER : sizeof(length);

	memcpy(bytes, h ? (const void *)h : (const void *)&length, front);
	for (uint32_t i = 0; i < size; i++)
		bytes[front + i] = frame_byte(seed, i);
	ck_assert_int_eq(send(peer, bytes, front + size, 0), (ssize_t)(front + size));
}

static inline void expect_received(unsigned i, uint32_t size, unsigned seed)
{
	ck_assert_uint_eq(used_size(RX, i), HEADER + size);
	ck_assert_int_eq(
		memory_read(&machine.vm.memory, GPA(buffer_at(RX, i) + HEADER), bytes, size), 0);
	expect_bytes(bytes, size, seed);
}

static void finish(void)
{
	machine_finish();
	(void)close(peer);
}

static const struct virtio_net_hdr_v1 plain;

#endif
