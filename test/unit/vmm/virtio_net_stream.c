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

RIG_SUITE("virtio_net_stream", a_stream_has_whole_frames_at_any_time)
