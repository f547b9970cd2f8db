/* SPDX-License-Identifier: MIT */
/* A virtio-net behind its registers. The driver is this test, and so is the other end. */
#include "virtio_card.h"

#include <errno.h>

START_TEST(sends_frames_to_a_stream)
{
	uint32_t length;

	start(true);
	set_up(BASICS);
	for (unsigned n = 0; n < 40; n++) {
		const uint32_t size = 14 + n * 37;
		send_frame(&plain, size, n);
		ck_assert_uint_eq(used_index(TX), n + 1);
		ck_assert_int_eq(recv(peer, &length, 4, 0), 4);
		ck_assert_uint_eq(be32toh(length), size);
		ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), size);
		expect_bytes(bytes, size, n);
	}
	finish();
}
END_TEST

START_TEST(receives_frames_from_a_stream)
{
	start(true);
	set_up(BASICS);
	for (unsigned n = 0; n < 40; n++) {
		list(RX, 2048);
		ring(RX);
		peer_put(60 + n, n, NULL);
		serve();
		ck_assert_uint_eq(used_index(RX), n + 1);
		expect_received(n, 60 + n, n);
	}
	/* Three frames at once, in two pieces that cut one of them. */
	for (unsigned n = 0; n < 3; n++)
		list(RX, 2048);
	ring(RX);
	uint8_t all[3 * 104];
	for (unsigned n = 0; n < 3; n++) {
		const uint32_t length = htobe32(100);
		memcpy(all + 104 * n, &length, 4);
		for (uint32_t i = 0; i < 100; i++)
			all[104 * n + 4 + i] = frame_byte(n, i);
	}
	ck_assert_int_eq(send(peer, all, 106, 0), 106);
	serve();
	ck_assert_uint_eq(used_index(RX), 41);
	ck_assert_int_eq(send(peer, all + 106, sizeof(all) - 106, 0), sizeof(all) - 106);
	serve();
	ck_assert_uint_eq(used_index(RX), 43);
	for (unsigned n = 0; n < 3; n++)
		expect_received(40 + n, 100, n);
	finish();
}
END_TEST

START_TEST(waits_for_buffers)
{
	start(true);
	set_up(BASICS);
	peer_put(100, 1, NULL);
	peer_put(200, 2, NULL);
	serve();
	ck_assert_uint_eq(used_index(RX), 0);
	list(RX, 2048);
	ring(RX);
	ck_assert_uint_eq(used_index(RX), 1);
	expect_received(0, 100, 1);
	list(RX, 2048);
	ring(RX);
	expect_received(1, 200, 2);
	/* A frame that needs three, and the driver has one. */
	list(RX, 1024);
	ring(RX);
	peer_put(3000, 3, NULL);
	serve();
	ck_assert_uint_eq(used_index(RX), 2);
	list(RX, 1024);
	list(RX, 1024);
	ring(RX);
	ck_assert_uint_eq(used_index(RX), 5);
	ck_assert_uint_eq(used_size(RX, 2), 1024);
	ck_assert_uint_eq(used_size(RX, 3), 1024);
	ck_assert_uint_eq(used_size(RX, 4), HEADER + 3000 - 2048);
	uint16_t count;
	ck_assert_int_eq(
		memory_le16_get(&machine.vm.memory, GPA(buffer_at(RX, 2) + 10), &count), 0);
	ck_assert_uint_eq(count, 3);
	for (unsigned i = 0; i < 3; i++) {
		const uint32_t size = used_size(RX, 2 + i);
		ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(buffer_at(RX, 2 + i)),
					 bytes + 1024 * i, size),
			0);
	}
	expect_bytes(bytes + HEADER, 3000, 3);
	finish();
}
END_TEST

START_TEST(loses_what_fits_into_no_buffer)
{
	start(true);
	set_up(BIT64(VIRTIO_F_VERSION_1)); /* a frame is one buffer */
	list(RX, 1024);
	list(RX, 1024);
	ring(RX);
	peer_put(1013, 1, NULL);
	peer_put(1012, 2, NULL);
	serve();
	ck_assert_uint_eq(used_index(RX), 1);
	expect_received(0, 1012, 2);
	/* One that has no room for the header, with the next. */
	set_up(BASICS);
	list(RX, 11);
	list(RX, 2048);
	ring(RX);
	peer_put(60, 1, NULL);
	serve();
	ck_assert_uint_eq(used_index(RX), 0);
	finish();
}
END_TEST

START_TEST(a_reset_ends_all)
{
	start(true);
	set_up(BASICS);
	peer_put(100, 1, NULL);
	serve(); /* it waits for a buffer */
	list(RX, 2048);
	set_up(BASICS);
	serve();
	ck_assert_uint_eq(used_index(RX), 0);
	/* The driver is not there: nothing is served, and nothing spins. */
	common_put(COMMON(device_status), 1, 0);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), 0);
	peer_put(100, 2, NULL);
	serve();
	set_up(BASICS);
	list(RX, 2048);
	ring(RX);
	ck_assert_uint_eq(used_index(RX), 1);
	expect_received(0, 100, 2);
	finish();
}
END_TEST

START_TEST(a_broken_queue_is_silent)
{
	start(true);
	set_up(BASICS);
	list(RX, 2048);
	ring(RX);
	queue_break(RX);
	peer_put(100, 1, NULL);
	serve();
	ck_assert_uint_eq(
		common_get(COMMON(device_status), 1), GOING | VIRTIO_CONFIG_S_NEEDS_RESET);
	peer_put(100, 2, NULL);
	serve();
	set_up(BASICS);
	list(RX, 2048);
	ring(RX);
	ck_assert_uint_eq(used_index(RX), 1);
	expect_received(0, 100, 2);
	finish();
}
END_TEST

START_TEST(a_full_line_holds_the_driver_up)
{
	unsigned sent = 0, got = 0;
	uint32_t length;

	start(true);
	set_up(BASICS);
	/* Until a frame is not taken: the socket is full, and so is the buffer before it. */
	while (sent < 4000 && used_index(TX) == (uint16_t)sent)
		send_frame(&plain, 9000, sent++);
	ck_assert_uint_lt(sent, 4000);
	ck_assert_uint_eq(used_index(TX), sent - 1);
	while (got < sent) {
		ssize_t count = recv(peer, &length, 4, MSG_WAITALL);
		if (count < 0)
			serve();
		if (count < 0)
			continue;
		ck_assert_uint_eq(be32toh(length), 9000);
		for (size_t done = 0; done < 9000; done += (size_t)count) {
			count = recv(peer, bytes + done, 9000 - done, 0);
			if (count < 0)
				serve();
			count = count < 0 ? 0 : count;
		}
		expect_bytes(bytes, 9000, got++);
	}
	serve();
	ck_assert_uint_eq(used_index(TX), sent);
	finish();
}
END_TEST

static void expect_no_link(void)
{
	serve();
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(status), 2), 0);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1) & 2, 2);
	/* The driver's frames are taken, and lost. */
	const uint16_t before = used_index(TX);
	for (unsigned i = 0; i < 3; i++)
		send_frame(&plain, 60, i);
	ck_assert_uint_eq(used_index(TX), before + 3);
	list(RX, 2048);
	ring(RX);
	ck_assert_uint_eq(used_index(RX), 0);
}

START_TEST(goes_on_without_a_link)
{
	start(true);
	set_up(BASICS);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(status), 2), 1);
	(void)shutdown(peer, SHUT_RDWR);
	expect_no_link();
	set_up(BASICS);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(status), 2), 0);
	/* Nor does a command bring it back, or make up that there is one. */
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(virtio_net_set_link(&machine.vm, 0, true), -EPIPE);
		ck_assert_int_eq(virtio_net_set_link(&machine.vm, 0, false), -EALREADY);
	}
	finish();
	/* No frame has such a size. */
	static const uint32_t lengths[] = {0, 13, 65554, UINT32_MAX};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		const uint32_t length[8] = {htobe32(lengths[i])};
		start(true);
		set_up(BASICS);
		ck_assert_int_eq(send(peer, length, sizeof(length), 0), sizeof(length));
		expect_no_link();
		finish();
	}
}
END_TEST

static unsigned link_status(void)
{
	return (unsigned)reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(status), 2);
}

/* Frames wait at the host, and those of the driver are lost. */
START_TEST(a_cable_that_is_pulled)
{
	struct vm *vm = &machine.vm;

	start(true);
	set_up(BASICS);
	list(RX, 2048);
	ring(RX);
	ck_assert_int_eq(virtio_net_set_link(vm, 0, true), -EALREADY);
	ck_assert_int_eq(virtio_net_set_link(vm, 1, false), -ENXIO);
	ck_assert_int_eq(virtio_net_set_link(vm, 99, false), -ENXIO);
	const uint64_t generation = common_get(COMMON(config_generation), 1);
	ck_assert_int_eq(virtio_net_set_link(vm, 0, false), 0);
	serve();
	ck_assert_uint_eq(link_status(), 0);
	ck_assert_uint_ne(common_get(COMMON(config_generation), 1), generation);
	peer_put(60, 1, NULL);
	serve();
	ck_assert_uint_eq(used_index(RX), 0);
	send_frame(&plain, 60, 2);
	ck_assert_uint_eq(used_index(TX), 1);
	ck_assert_int_lt(recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT), 0);
	set_up(BASICS); /* a reset does not plug it in */
	ck_assert_uint_eq(link_status(), 0);
	list(RX, 2048);
	ring(RX);
	ck_assert_int_eq(virtio_net_set_link(vm, 0, true), 0);
	serve();
	ck_assert_uint_eq(link_status(), 1);
	ck_assert_uint_eq(used_index(RX), 1);
	expect_received(0, 60, 1);
	/* The other end goes while the cable is out. */
	ck_assert_int_eq(virtio_net_set_link(vm, 0, false), 0);
	serve();
	(void)shutdown(peer, SHUT_RDWR);
	ck_assert_int_eq(virtio_net_set_link(vm, 0, true), -EPIPE);
	serve();
	ck_assert_uint_eq(link_status(), 0);
	finish();
	ck_assert_int_eq(virtio_net_set_link(vm, 0, true), -ENODEV);
}
END_TEST

START_TEST(has_an_address_and_features)
{
	const uint64_t rings = BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
			       BIT64(VIRTIO_F_RING_PACKED) | BIT64(VIRTIO_F_IN_ORDER) |
			       BIT64(VIRTIO_F_RING_RESET);
	const uint64_t any = BASICS | rings | BIT64(VIRTIO_NET_F_MAC) | BIT64(VIRTIO_NET_F_STATUS);

	start(true);
	ck_assert_uint_eq(features_offered(), any | BIT64(VIRTIO_NET_F_MTU));
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(mac), 4), 0x03020102);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(mac) + 4, 2), 0x0504);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(mtu), 2), 1400);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(mtu) + 2, 4), 0);
	finish();
	start(false);
	ck_assert_uint_eq(features_offered(),
		any | BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_GUEST_CSUM) |
			BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) |
			BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6));
	finish();
}
END_TEST

/* What a driver does that refuses @bit. Ref: virtio 1.2, 5.1.3.1: segmentation needs checksums. */
static uint64_t without(uint64_t features, unsigned bit)
{
	if (bit == VIRTIO_NET_F_CSUM)
		features &= ~(BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6));
	if (bit == VIRTIO_NET_F_GUEST_CSUM)
		features &= ~(BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6));
	return features & ~BIT64(bit);
}

static void expect_traffic(bool stream, unsigned bit)
{
	for (unsigned n = 0; n < 3 * RING_SIZE; n++) {
		const uint32_t size = 60 + n, front = stream ? 4 : HEADER;
		send_frame(&plain, size, n);
		ssize_t count = recv(peer, bytes, front, stream ? 0 : MSG_PEEK);
		ck_assert_msg(count == front, "without feature %u: frame %u", bit, n);
		count = recv(peer, bytes, sizeof(bytes), 0);
		ck_assert_int_eq(count, stream ? size : HEADER + size);
		expect_bytes(bytes + (stream ? 0 : HEADER), size, n);
		list(RX, 2048);
		ring(RX);
		peer_put(size, n, stream ? NULL : &plain);
		serve();
		ck_assert_msg(used_index(RX) == n + 1, "without feature %u: frame %u", bit, n);
		expect_received(n, size, n);
	}
}

START_TEST(works_without_any_feature)
{
	for (unsigned stream = 0; stream < 2; stream++) {
		start(stream);
		const uint64_t all = features_offered();
		for (unsigned bit = 0; bit < 64; bit++) {
			if (!(all & BIT64(bit)) || bit == VIRTIO_F_VERSION_1)
				continue;
			set_up(without(all, bit));
			expect_traffic(stream, bit);
		}
		set_up(all);
		expect_traffic(stream, 64);
		finish();
	}
}
END_TEST

/* A frame as the driver may send it, and the features without which it may not. */
struct offload {
	struct virtio_net_hdr_v1 header;
	uint64_t needs[2]; /* 0: none more */
};

#define SUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TSO4 VIRTIO_NET_HDR_GSO_TCPV4
#define TSO6 VIRTIO_NET_HDR_GSO_TCPV6
#define CUT(flag, kind, head, part, from)                                                   \
	{                                                                                   \
		.flags = (flag), .gso_type = (kind), .hdr_len = (head), .gso_size = (part), \
		.csum_start = (from), .csum_offset = 16                                     \
	}

START_TEST(sends_only_what_was_agreed_upon)
{
	static const struct offload rows[] = {
		{{.flags = SUM, .csum_start = 34, .csum_offset = 16}, {BIT64(VIRTIO_NET_F_CSUM)}},
		{CUT(SUM, TSO4, 54, 1448, 34),
			{BIT64(VIRTIO_NET_F_CSUM), BIT64(VIRTIO_NET_F_HOST_TSO4)}},
		{CUT(SUM, TSO6, 74, 1428, 54),
			{BIT64(VIRTIO_NET_F_CSUM), BIT64(VIRTIO_NET_F_HOST_TSO6)}},
	};
	uint64_t all = BASICS;

	start(false);
	for (size_t i = 0; i < COUNT(rows); i++)
		for (unsigned k = 0; k < 2; k++)
			all |= rows[i].needs[k];
	for (size_t i = 0; i < COUNT(rows); i++) {
		set_up(all);
		send_frame(&rows[i].header, 3000, 7);
		ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), HEADER + 3000);
		ck_assert_int_eq(memcmp(bytes, &rows[i].header, HEADER), 0);
		expect_bytes(bytes + HEADER, 3000, 7);
		for (unsigned k = 0; k < 2 && rows[i].needs[k]; k++) {
			set_up(all & ~rows[i].needs[k]);
			send_frame(&rows[i].header, 3000, 7);
			ck_assert_uint_eq(used_index(TX), 1);
			ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), -1);
		}
	}
	finish();
}
END_TEST

START_TEST(loses_frames_that_cannot_be)
{
	static const struct virtio_net_hdr_v1 rows[] = {
		{.flags = SUM, .csum_start = 90, .csum_offset = 9}, /* behind the end */
		{.flags = SUM, .csum_start = 65535, .csum_offset = 65535},
		CUT(SUM, TSO4, 54, 0, 34), /* parts of no size */
		CUT(SUM, TSO4, 101, 1448, 34), /* headers behind the end */
		CUT(0, TSO4, 54, 1448, 34), /* parts without a checksum */
		CUT(SUM, VIRTIO_NET_HDR_GSO_UDP, 54, 1448, 34),
		CUT(SUM, TSO4 | VIRTIO_NET_HDR_GSO_ECN, 54, 1448, 34),
		CUT(SUM, 0xff, 54, 1448, 34),
	};

	start(false);
	set_up(BASICS | BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4));
	for (size_t i = 0; i < COUNT(rows); i++) {
		send_frame(&rows[i], 100, 1);
		ck_assert_uint_eq(used_index(TX), i + 1);
		ck_assert_msg(recv(peer, bytes, sizeof(bytes), 0) == -1, "row %zu", i);
	}
	/* Sizes: none, less than the headers, more than any frame; and what is not in RAM. */
	static const struct {
		uint64_t at;
		uint32_t size;
	} buffers[] = {{MIB(9), 0}, {MIB(9), HEADER + 13}, {MIB(9), HEADER + 65554},
		{MIB(9), UINT32_MAX}, {MIB(64), 100}, {UINT64_MAX - 50, 100}};
	set_up(BASICS);
	for (size_t i = 0; i < COUNT(buffers); i++) {
		list_at(TX, buffers[i].at, buffers[i].size);
		ring(TX);
		ck_assert_uint_eq(used_index(TX), i + 1);
		ck_assert_msg(recv(peer, bytes, sizeof(bytes), 0) == -1, "buffer %zu", i);
	}
	/* Flags that the device does not know are not seen, nor is the number of buffers. */
	send_frame(&(struct virtio_net_hdr_v1){.flags = 0xfe, .num_buffers = 9}, 65553, 3);
	ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), HEADER + 65553);
	ck_assert_int_eq(memcmp(bytes, &plain, HEADER), 0);
	finish();
}
END_TEST

START_TEST(receives_only_what_was_agreed_upon)
{
	static const struct offload rows[] = {
		{{.flags = SUM, .csum_start = 34, .csum_offset = 16},
			{BIT64(VIRTIO_NET_F_GUEST_CSUM)}},
		{CUT(SUM, TSO4, 54, 1448, 34),
			{BIT64(VIRTIO_NET_F_GUEST_CSUM), BIT64(VIRTIO_NET_F_GUEST_TSO4)}},
		{CUT(SUM, TSO6, 74, 1428, 54),
			{BIT64(VIRTIO_NET_F_GUEST_CSUM), BIT64(VIRTIO_NET_F_GUEST_TSO6)}},
	};
	uint64_t all = BASICS;

	start(false);
	for (size_t i = 0; i < COUNT(rows); i++)
		for (unsigned k = 0; k < 2; k++)
			all |= rows[i].needs[k];
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned k = 0; k < 2 && rows[i].needs[k]; k++) {
			set_up(all & ~rows[i].needs[k]);
			list(RX, 4096);
			ring(RX);
			peer_put(3000, 1, &rows[i].header);
			serve();
			ck_assert_uint_eq(used_index(RX), 0);
		}
		set_up(all);
		list(RX, 4096);
		ring(RX);
		peer_put(3000, 1, &rows[i].header);
		serve();
		ck_assert_uint_eq(used_index(RX), 1);
		expect_received(0, 3000, 1);
	}
	finish();
}
END_TEST

RIG_SUITE("virtio_net", sends_frames_to_a_stream, receives_frames_from_a_stream, waits_for_buffers,
	loses_what_fits_into_no_buffer, a_reset_ends_all, a_broken_queue_is_silent,
	a_cable_that_is_pulled, a_full_line_holds_the_driver_up, goes_on_without_a_link,
	has_an_address_and_features, works_without_any_feature, sends_only_what_was_agreed_upon,
	loses_frames_that_cannot_be, receives_only_what_was_agreed_upon)
