/* SPDX-License-Identifier: MIT */
/* What a user-mode network gets from a virtio-net, and what is made up for it. */
#include "virtio_card.h"

/* Whoever reads at any time finds whole frames: passt cannot put together what comes in pieces. */
START_TEST(a_stream_has_whole_frames_at_any_time)
{
	struct memory *m;
	ssize_t count;
	size_t came = 0;

	start(true);
	set_up(BASICS);
	m = &machine.vm.memory;
	for (unsigned round = 0; round < 100 && used_index(TX) == listed[TX]; round++) {
		for (unsigned n = 0; n < RING_SIZE; n++) {
			ck_assert_int_eq(memory_fill(m, GPA(buffer_at(TX, n)), 0, HEADER), 0);
			list(TX, HEADER + 9000);
		}
		ring(TX);
	}
	ck_assert_uint_ne(used_index(TX), listed[TX]);
	while ((count = recv(peer, bytes, sizeof(bytes), 0)) > 0)
		came += (size_t)count;
	ck_assert_uint_gt(came, 0);
	ck_assert_uint_eq(came % (4 + 9000), 0);
	ck_assert_uint_eq(came / (4 + 9000), used_index(TX));
	finish();
}
END_TEST

/* A frame of one size, with its addresses of IPv4 or IPv6, in four bytes each: the last ones. */
struct addressed {
	unsigned type;
	uint8_t source[16], target[16];
	bool passes;
};

static void frame_address(const struct addressed *a, uint8_t frame[80])
{
	const bool is_v6 = a->type == 0x86dd;

	memset(frame, 0, 80);
	frame[12] = (uint8_t)(a->type >> 8);
	frame[13] = (uint8_t)a->type;
	memcpy(frame + (is_v6 ? 22 : 26), a->source, is_v6 ? 16 : 4);
	memcpy(frame + (is_v6 ? 38 : 30), a->target, is_v6 ? 16 : 4);
}

#define V4 0x0800
#define V6 0x86dd

START_TEST(no_frame_reaches_the_loopback_of_the_host)
{
	static const struct addressed rows[] = {
		{V4, {10, 9, 0, 5}, {10, 8, 0, 1}, true},
		{V4, {0}, {255, 255, 255, 255}, true}, /* DHCP */
		{V4, {10, 9, 0, 5}, {127, 0, 0, 1}, false},
		{V4, {10, 9, 0, 5}, {127, 255, 0, 53}, false},
		{V4, {10, 9, 0, 5}, {0}, false},
		{V4, {127, 0, 0, 1}, {10, 8, 0, 1}, false},
		{V6, {0x20, 1}, {0x20, 1, [15] = 1}, true},
		{V6, {0}, {0xff, 2, [15] = 1}, true}, /* it looks for who has its address */
		{V6, {0x20, 1}, {[15] = 1}, false},
		{V6, {0x20, 1}, {0}, false},
		{V6, {0x20, 1}, {[10] = 0xff, 0xff, 127, 0, 0, 1}, false},
		{V6, {[15] = 1}, {0x20, 1, [15] = 1}, false},
		{0x0806, {127, 0, 0, 1}, {127, 0, 0, 1}, true},
	};
	uint8_t frame[80];

	for (unsigned way = 0; way < 2; way++) {
		reaches_host = way;
		start(true);
		set_up(BASICS);
		for (unsigned i = 0; i < COUNT(rows); i++) {
			frame_address(&rows[i], frame);
			send_bytes(frame, sizeof(frame));
			ck_assert_uint_eq(used_index(TX), i + 1);
			const ssize_t count = recv(peer, bytes, sizeof(bytes), 0);
			ck_assert_msg(
				(count == 84) == (rows[i].passes || reaches_host), "row %u", i);
			ck_assert(count < 0 || memcmp(bytes + 4, frame, sizeof(frame)) == 0);
		}
		/* One that ends before its address. */
		frame_address(&rows[0], frame);
		send_bytes(frame, 33);
		ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), reaches_host ? 37 : -1);
		finish();
	}
	reaches_host = false;
}
END_TEST

static uint32_t sum16(uint32_t sum, const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)from[i] << 8 | from[i + 1];
	return sum;
}

static unsigned folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A guest's server that speaks first gets ACK for its SYN,ACK, and nothing for any other frame. */
START_TEST(a_handshake_has_an_end)
{
	static const uint8_t tcp[20] = {0, 22, 0xc0, 0x01, 1, 2, 3, 0xff, 9, 8, 7, 6, 0x50, 0x12};
	static const struct addressed rows[] = {
		{V4, {10, 9, 0, 5}, {10, 9, 0, 254}, true},
		{V6, {0xfd, [15] = 5}, {0xfd, [15] = 9}, true},
	};
	uint8_t frame[80], ack[80];

	start(true);
	set_up(BASICS);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		const bool is_v6 = rows[i].type == V6;
		const unsigned ip = is_v6 ? 40 : 20, address = is_v6 ? 16 : 4;
		const unsigned from = 14 + (is_v6 ? 8 : 12), at = 14 + ip;
		frame_address(&rows[i], frame);
		memcpy(frame, (const uint8_t[12]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 12);
		frame[14] = is_v6 ? 0x60 : 0x45;
		frame[14 + (is_v6 ? 6 : 9)] = 6;
		memcpy(frame + at, tcp, sizeof(tcp));
		list(RX, 2048);
		ring(RX);
		send_bytes(frame, at + 20);
		ck_assert_uint_eq(used_index(RX), i + 1);
		ck_assert_uint_eq(used_size(RX, i), HEADER + at + 20);
		ck_assert_int_eq(memory_read(&machine.vm.memory, GPA(buffer_at(RX, i) + HEADER),
					 ack, at + 20),
			0);
		ck_assert_int_eq(memcmp(ack, frame + 6, 6), 0);
		ck_assert_int_eq(memcmp(ack + 6, frame, 6), 0);
		ck_assert_int_eq(memcmp(ack + from, frame + from + address, address), 0);
		ck_assert_int_eq(memcmp(ack + from + address, frame + from, address), 0);
		ck_assert_int_eq(memcmp(ack + at,
					 (const uint8_t[14]){0xc0, 0x01, 0, 22, 9, 8, 7, 6, 1, 2, 4,
						 0, 0x50, 0x10},
					 14),
			0);
		ck_assert_uint_eq(
			folded(sum16(sum16(26, ack + from, 2 * address), ack + at, 20)), 0xffff);
		if (!is_v6)
			ck_assert_uint_eq(folded(sum16(0, ack + 14, 20)), 0xffff);
		/* SYN, ACK, RST: each alone. */
		for (unsigned flag = 1; flag <= 0x20; flag <<= 1) {
			frame[at + 13] = (uint8_t)flag;
			send_bytes(frame, at + 20);
		}
		frame[at + 13] = 0x12;
		send_bytes(frame, at + 13); /* it ends before its flags */
		ck_assert_uint_eq(used_index(RX), i + 1);
	}
	finish();
}
END_TEST

RIG_SUITE("virtio_net_stream", a_stream_has_whole_frames_at_any_time,
	no_frame_reaches_the_loopback_of_the_host, a_handshake_has_an_end)
