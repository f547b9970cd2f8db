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

RIG_SUITE("virtio_net_stream", a_stream_has_whole_frames_at_any_time,
	no_frame_reaches_the_loopback_of_the_host)
