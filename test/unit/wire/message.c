/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct letter {
	struct wire_header header;
	char text[32];
};

static int ends[2];

static int open_count(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(a_message_and_its_descriptors)
{
	struct letter out = {.header.kind = WIRE_ANSWER, .text = "hello"}, in;
	struct wire_fds fds = {0}, came;

	ck_assert_int_eq(wire_pair(ends), 0);
	ck_assert_int_eq(wire_add(&fds, open("/dev/null", O_RDONLY)), 0);
	ck_assert_int_eq(wire_add(&fds, ends[0]), 1);
	ck_assert_int_eq(wire_send(ends[0], &out, sizeof(out), &fds), 0);
	ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), &came), 0);
	ck_assert_str_eq(in.text, "hello");
	ck_assert_uint_eq(came.count, 2);
	ck_assert_int_eq(fcntl(came.fds[1], F_GETFD), FD_CLOEXEC);
	wire_close(&came);
	ck_assert_uint_eq(came.count, 0);
}
END_TEST

/* The sender fills in size and version; here a hostile one does. */
START_TEST(other_sizes_and_versions_are_refused)
{
	struct letter in, good = {.header = {.version = WIRE_VERSION, .size = sizeof(good)}};
	struct letter bad[] = {good, good, good};

	bad[0].header.version++;
	bad[1].header.size--;
	bad[2].header.size = UINT32_MAX;
	ck_assert_int_eq(wire_pair(ends), 0);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq((int)send(ends[0], &bad[i], sizeof(bad[i]), 0), sizeof(bad[i]));
		ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), NULL), -EPROTO);
	}
	char more[sizeof(good) + 1] = "";
	memcpy(more, &good, sizeof(good));
	for (size_t size = 1; size <= sizeof(more); size++) {
		ck_assert_int_eq((int)send(ends[0], more, size, 0), (int)size);
		ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), NULL),
			size == sizeof(good) ? 0 : -EPROTO);
	}
}
END_TEST

START_TEST(refused_descriptors_are_closed)
{
	struct letter out = {0}, in;
	struct wire_fds fds = {0}, came;

	ck_assert_int_eq(wire_pair(ends), 0);
	for (int i = 0; i < WIRE_FDS_MAX; i++)
		ck_assert_int_eq(wire_add(&fds, STDIN_FILENO), i);
	ck_assert_int_eq(wire_add(&fds, STDIN_FILENO), -E2BIG);
	int before = open_count();
	ck_assert_int_eq(wire_send(ends[0], &out, sizeof(out), &fds), 0);
	ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in) - 1, &came), -EPROTO);
	ck_assert_int_eq(open_count(), before);
	/* None was expected: it stays in the socket. */
	fds.count = 1;
	ck_assert_int_eq(wire_send(ends[0], &out, sizeof(out), &fds), 0);
	ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), NULL), -EBADMSG);
	ck_assert_int_eq(open_count(), before);
	ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), &came), 0);
	ck_assert_uint_eq(came.count, 1);
	wire_close(&came);
}
END_TEST

START_TEST(nobody_waits_for_a_reader)
{
	struct letter out = {0}, in;
	int r = 0;

	ck_assert_int_eq(wire_pair(ends), 0);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = wire_send(ends[0], &out, sizeof(out), NULL);
	ck_assert_int_eq(r, -EAGAIN);
	(void)close(ends[1]);
	ck_assert_int_eq(wire_send(ends[0], &out, sizeof(out), NULL), -EPIPE);
	ck_assert_int_eq(wire_receive(ends[0], &in, sizeof(in), NULL), -EPIPE);
	ck_assert_int_eq(wire_pair(ends), 0);
	(void)close(ends[0]);
	ck_assert_int_eq(wire_receive(ends[1], &in, sizeof(in), NULL), -EPIPE);
}
END_TEST

SUITE("message", a_message_and_its_descriptors, other_sizes_and_versions_are_refused,
	refused_descriptors_are_closed, nobody_waits_for_a_reader)
