/* SPDX-License-Identifier: MIT */
#include "image/nbd.h"

#include "base/fd.h"
#include "base/num.h"
#include "suite.h"

#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The server's side is written before the client asks: what it says does not depend on the
 * question, whose bytes the test reads afterwards.
 */
static int client, server;

static void setup(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	client = ends[0];
	server = ends[1];
}

static void teardown(void)
{
	fd_close(&client);
	fd_close(&server);
}

static void put64(uint64_t v)
{
	v = htobe64(v);
	ck_assert_int_eq(fd_write_full(server, &v, sizeof(v)), 0);
}

static void put32(uint32_t v)
{
	v = htobe32(v);
	ck_assert_int_eq(fd_write_full(server, &v, sizeof(v)), 0);
}

static void put16(uint16_t v)
{
	v = htobe16(v);
	ck_assert_int_eq(fd_write_full(server, &v, sizeof(v)), 0);
}

static void expect_bytes(const void *bytes, size_t len)
{
	char got[64];

	ck_assert_int_eq(fd_read_full(server, got, len), 0);
	ck_assert_mem_eq(got, bytes, len);
}

static void put_hello(void)
{
	put64(0x4e42444d41474943);
	put64(0x49484156454f5054);
	put16(3);
}

static void put_reply(uint32_t magic, uint32_t error, uint64_t cookie)
{
	put32(magic);
	put32(error);
	put64(cookie);
}

START_TEST(a_disk_is_opened_and_read)
{
	uint64_t size = 0;
	char buf[4];

	put_hello();
	put64(1 << 20);
	put16(3);
	ck_assert_int_eq(nbd_open(client, "disk", &size), 0);
	ck_assert_uint_eq(size, 1 << 20);
	expect_bytes("\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\4disk", 24);
	put_reply(0x67446698, 0, 0x1234);
	ck_assert_int_eq(fd_write_full(server, "data", 4), 0);
	ck_assert_int_eq(nbd_read(client, 0x1234, buf, 4), 0);
	ck_assert_mem_eq(buf, "data", 4);
	expect_bytes(
		"\x25\x60\x95\x13\0\0\0\0\0\0\0\0\0\0\x12\x34\0\0\0\0\0\0\x12\x34\0\0\0\4", 28);
}
END_TEST

/* A server of another protocol, of before 2010, or with a disk of more bytes than files have. */
START_TEST(answers_to_the_hello_are_checked)
{
	uint64_t size = 7;

	put64(0x4e42444d41474943);
	put64(0x0000420281861253);
	put16(3);
	ck_assert_int_eq(nbd_open(client, "disk", &size), -EPROTO);
	teardown();
	setup();
	put64(0x4e42444d41474943);
	put64(0x49484156454f5054);
	put16(1);
	ck_assert_int_eq(nbd_open(client, "disk", &size), -EPROTO);
	teardown();
	setup();
	put_hello();
	put64(UINT64_MAX);
	put16(3);
	ck_assert_int_eq(nbd_open(client, "disk", &size), -EPROTO);
	ck_assert_int_eq(nbd_open(client, "a name of too many bytes", &size), -EINVAL);
}
END_TEST

START_TEST(answers_to_a_read_are_checked)
{
	char buf[4] = "";

	put_reply(0x67446699, 0, 0);
	ck_assert_int_eq(nbd_read(client, 0, buf, 4), -EPROTO);
	teardown();
	setup();
	put_reply(0x67446698, 0, 512);
	ck_assert_int_eq(nbd_read(client, 0, buf, 4), -EPROTO);
	teardown();
	setup();
	put_reply(0x67446698, 5, 0);
	ck_assert_int_eq(nbd_read(client, 0, buf, 4), -EIO);
	ck_assert_str_eq(buf, "");
}
END_TEST

/* At any byte, and with unread questions: the kernel says ECONNRESET then. */
START_TEST(a_server_that_ends)
{
	uint64_t size = 7;
	char buf[4];

	put64(0x4e42444d41474943);
	fd_close(&server);
	ck_assert_int_eq(nbd_open(client, "disk", &size), -EPIPE);
	ck_assert_uint_eq(size, 7);
	teardown();
	setup();
	put_hello();
	ck_assert_int_eq(shutdown(server, SHUT_WR), 0);
	ck_assert_int_eq(nbd_open(client, "disk", &size), -EPIPE);
	teardown();
	setup();
	put_reply(0x67446698, 0, 0);
	put16(0);
	ck_assert_int_eq(shutdown(server, SHUT_WR), 0);
	ck_assert_int_eq(nbd_read(client, 0, buf, 4), -EPIPE);
	fd_close(&server);
	ck_assert_int_eq(nbd_read(client, 0, buf, 4), -EPIPE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_disk_is_opened_and_read, answers_to_the_hello_are_checked,
		answers_to_a_read_are_checked, a_server_that_ends};
	TCase *c = suite_case("nbd", tests, COUNT(tests));

	(void)signal(SIGPIPE, SIG_IGN);
	tcase_add_checked_fixture(c, setup, teardown);
	return suite_run_case("nbd", c);
}
