/* SPDX-License-Identifier: MIT */
#include "libvirt/relay.h"

#include "base/err.h"
#include "base/fd.h"
#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A guest's console: @guest is QEMU's end of it, the others are the person's. */
struct rig {
	struct relay relay;
	int guest, keys, screen;
	int stops;
};

static void count_stop(void *arg)
{
	struct rig *g = arg;

	g->stops++;
}

static void on_tick(int timer, void *arg)
{
}

/* A few rounds of the loop, which waits for nothing: a timer is always due. */
static void run_loop(void)
{
	for (unsigned i = 0; i < 64; i++)
		ck_assert_int_eq(vir.virEventRunDefaultImpl(), 0);
}

static int listen_at(char path[64])
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, 64, "/tmp/usher-relay-%d", getpid());
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

/* Each test is a process of its own, so standard input and output are its own, too. */
static void rig_init(struct rig *g)
{
	int in[2], out[2];
	char path[64];
	struct err e = {0};

	*g = (struct rig){.guest = -1};
	ck_assert_msg(libvirt_calls_load(&e) == 0, "%s", e.msg);
	ck_assert_int_eq(vir.virEventRegisterDefaultImpl(), 0);
	ck_assert_int_ge(vir.virEventAddTimeout(1, on_tick, NULL, NULL), 0);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(in[0], STDIN_FILENO), 0);
	ck_assert_int_ge(dup2(out[1], STDOUT_FILENO), 0);
	ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	g->keys = in[1];
	g->screen = out[0];
	int listener = listen_at(path);
	relay_init(&g->relay, true, count_stop, g);
	ck_assert_msg(relay_open(&g->relay, path, &e) == 0, "%s", e.msg);
	g->guest = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(g->guest, 0);
	(void)unlink(path);
	fd_close(&listener);
}

/* As in the background: nobody reads standard output, and the guest does not wait for it. */
static void handle_output_away(struct relay *r)
{
	(void)vir.virEventRemoveHandle(r->output_watch);
	r->output_watch = -1;
}

static void reads(int fd, const char *text)
{
	char found[64] = "";

	ssize_t n = read(fd, found, sizeof(found) - 1);
	ck_assert_int_eq(n, (ssize_t)strlen(text));
	ck_assert_str_eq(found, text);
}

START_TEST(passes_both_ways)
{
	struct rig g;

	rig_init(&g);
	ck_assert_int_eq(fd_write_full(g.guest, "login: ", 7), 0);
	ck_assert_int_eq(fd_write_full(g.keys, "root\n\x01x", 7), 0);
	run_loop();
	reads(g.screen, "login: ");
	reads(g.guest, "root\n\x01x"); /* no terminal: each byte is the guest's */
	ck_assert_int_eq(g.stops, 0);
	ck_assert(!relay_is_drained(&g.relay));
	fd_close(&g.keys); /* the end of the input is not that of the console */
	ck_assert_int_eq(fd_write_full(g.guest, "bye", 3), 0);
	run_loop();
	fd_close(&g.guest);
	run_loop();
	reads(g.screen, "bye");
	ck_assert(relay_is_drained(&g.relay));
	relay_fini(&g.relay);
}
END_TEST

/* The guest waits for a reader, and loses nothing. */
START_TEST(holds_up_a_guest_that_nobody_reads)
{
	static char flood[1 << 20];
	struct rig g;
	size_t sent = 0, got = 0;
	ssize_t n;

	rig_init(&g);
	for (size_t i = 0; i < sizeof(flood); i++)
		flood[i] = (char)('a' + i % 26);
	do {
		n = write(g.guest, flood + sent, sizeof(flood) - sent);
		sent += n > 0 ? (size_t)n : 0;
		run_loop();
	} while (n > 0 && sent < sizeof(flood));
	ck_assert_uint_lt(sent, sizeof(flood));
	fd_close(&g.guest);
	for (unsigned i = 0; i < 10000 && !relay_is_drained(&g.relay); i++) {
		char some[4096];
		while ((n = read(g.screen, some, sizeof(some))) > 0) {
			ck_assert_mem_eq(some, flood + got, (size_t)n);
			got += (size_t)n;
		}
		run_loop();
	}
	while ((n = read(g.screen, flood, sizeof(flood))) > 0)
		got += (size_t)n;
	ck_assert_uint_eq(got, sent);
	relay_fini(&g.relay);
}
END_TEST

START_TEST(shows_it_to_others)
{
	struct rig g;
	int one[2], two[2];

	rig_init(&g);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, one), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, two), 0);
	ck_assert_int_eq(relay_show(&g.relay, one[0], false), 0);
	ck_assert_int_eq(relay_show(&g.relay, two[0], true), 0);
	ck_assert_int_eq(fd_write_full(g.guest, "x", 1), 0);
	ck_assert_int_eq(fd_write_full(one[1], "key", 3), 0);
	ck_assert_int_eq(fd_write_full(two[1], "none", 4), 0);
	run_loop();
	reads(one[1], "x");
	reads(two[1], "x");
	reads(g.guest, "key");
	fd_close(&one[1]);
	run_loop();
	ck_assert_int_eq(fd_write_full(g.guest, "y", 1), 0);
	run_loop();
	reads(two[1], "y");
	for (unsigned i = 1; i < RELAY_VIEWERS_MAX; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, one), 0);
		ck_assert_int_eq(relay_show(&g.relay, one[0], false), 0);
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, one), 0);
	ck_assert_int_lt(relay_show(&g.relay, one[0], false), 0);
	relay_fini(&g.relay);
}
END_TEST

/* @text is all that there is to read. */
static void reads_all(int fd, const char *text, size_t len)
{
	static char found[2 * RELAY_HISTORY];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, found + got, sizeof(found) - got, MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	ck_assert_uint_eq(got, len);
	ck_assert_mem_eq(found, text, len);
}

/* Who comes later sees the last 64 KiB, whatever the ring's place. */
START_TEST(shows_what_was_before)
{
	static const size_t lengths[] = {0, 5, RELAY_HISTORY - 5, 1, RELAY_HISTORY, 100};
	static char all[4 * RELAY_HISTORY];
	struct rig g;
	size_t end = 0;

	rig_init(&g);
	handle_output_away(&g.relay);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int ends[2];
		for (size_t sent = 0; sent < lengths[i];) {
			ssize_t n = write(g.guest, all + end, lengths[i] - sent);
			sent += n > 0 ? (size_t)n : 0;
			end += n > 0 ? (size_t)n : 0;
			run_loop();
		}
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		ck_assert_int_eq(relay_show(&g.relay, ends[0], true), 0);
		size_t shown = end < RELAY_HISTORY ? end : RELAY_HISTORY;
		reads_all(ends[1], all + end - shown, shown);
		fd_close(&ends[1]);
		run_loop();
	}
	relay_fini(&g.relay);
}
END_TEST

SUITE("relay", shows_what_was_before, passes_both_ways, holds_up_a_guest_that_nobody_reads,
	shows_it_to_others)
