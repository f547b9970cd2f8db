/* SPDX-License-Identifier: MIT */
/* The process between QEMU's console and those that look: this process is QEMU, and all of them. */
#include "engine/qemu/console.h"

#include "base/err.h"
#include "engine/engine.h"
#include "engine/qemu/onlookers.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 5000

static struct engine_run run;
static int qemu, orders, output, input; /* output: what comes of standard output */

static void start(void)
{
	struct err e = {0};
	int out[2], in[2];

	run = ENGINE_RUN_NONE;
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(out[1], STDOUT_FILENO), 0);
	ck_assert_int_ge(dup2(in[0], STDIN_FILENO), 0);
	(void)close(out[1]);
	(void)close(in[0]);
	output = out[0];
	input = in[1];
	qemu = console_start(&run, &orders, &e);
	ck_assert_msg(qemu >= 0, "%s", e.msg);
	/* The last reader of its own standard output is that process. */
	ck_assert_int_ge(dup2(STDERR_FILENO, STDOUT_FILENO), 0);
}

/* Reads at least @len bytes, or until nothing comes. Return: [bytes]. */
static size_t hear(int fd, char *ret, size_t len, size_t size)
{
	size_t got = 0;

	while (got < len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, WAIT_MS) <= 0)
			break;
		ssize_t n = read(fd, ret + got, size - 1 - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	ret[got] = '\0';
	return got;
}

static void expect(int fd, const char *text)
{
	char got[256];

	(void)hear(fd, got, strlen(text), sizeof(got));
	ck_assert_str_eq(got, text);
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
}

/* Return: the onlooker's end, -errno. */
static int look(bool read_only)
{
	static uint32_t id;
	const struct wire_order o = {.header = {.kind = WIRE_ORDER, .id = ++id},
		.order = WIRE_ORDER_CONSOLE,
		.flags = read_only ? WIRE_ORDER_READ_ONLY : 0U};
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	int r = console_order(orders, &o, ends[0]);
	(void)close(ends[0]);
	return r < 0 ? r : ends[1];
}

START_TEST(everybody_sees_and_types)
{
	start();
	say(qemu, "guest: up\n");
	expect(output, "guest: up\n");
	int first = look(false), second = look(true);
	expect(first, "guest: up\n"); /* what was there before it looked */
	expect(second, "guest: up\n");
	say(first, "one");
	expect(qemu, "one");
	say(second, "no");
	say(input, "two");
	expect(qemu, "two");
	say(qemu, "more");
	expect(first, "more");
	expect(second, "more");
	expect(output, "more");
	console_stop(&run.console);
}
END_TEST

START_TEST(what_it_said_last_is_written)
{
	char got[128];

	start();
	say(qemu, "the last words");
	(void)close(qemu);
	console_stop(&run.console);
	ck_assert_uint_eq(
		hear(output, got, sizeof(got) - 1, sizeof(got)), strlen("the last words"));
}
END_TEST

START_TEST(one_that_does_not_read_misses_the_oldest)
{
	static char piece[4096], got[2 * ONLOOKERS_HISTORY];

	start();
	int idle = look(false);
	memset(piece, 'x', sizeof(piece));
	for (unsigned i = 0; i < 256; i++) { /* 1 MiB */
		ck_assert_int_eq((int)write(qemu, piece, sizeof(piece)), (int)sizeof(piece));
		ck_assert_uint_ge(hear(output, got, sizeof(piece), sizeof(got)), sizeof(piece));
	}
	/* Another one is not held up, and gets what is kept. */
	int other = look(true);
	ck_assert_uint_eq(hear(other, got, ONLOOKERS_HISTORY, sizeof(got)), ONLOOKERS_HISTORY);
	say(qemu, "end");
	bool lost = false, ended = false;
	while (!ended && hear(idle, got, 1, sizeof(got))) {
		lost |= strstr(got, "bytes are lost here") != NULL;
		ended = strstr(got, "end") != NULL;
	}
	ck_assert(lost && ended);
	console_stop(&run.console);
}
END_TEST

START_TEST(a_bound_of_onlookers)
{
	int all[ONLOOKERS_MAX];

	start();
	for (size_t i = 0; i < ONLOOKERS_MAX; i++) {
		all[i] = look(false);
		ck_assert_int_ge(all[i], 0);
	}
	ck_assert_int_eq(look(false), -EUSERS);
	(void)close(all[3]);
	int again = -EUSERS;
	for (unsigned i = 0; i < 100 && again == -EUSERS; i++) {
		again = look(false);
		(void)usleep(10000);
	}
	ck_assert_int_ge(again, 0);
	console_stop(&run.console);
}
END_TEST

SUITE("engine_qemu_console", everybody_sees_and_types, what_it_said_last_is_written,
	one_that_does_not_read_misses_the_oldest, a_bound_of_onlookers)
