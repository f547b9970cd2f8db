/* SPDX-License-Identifier: MIT */
#include "vmm/console.h"

#include "base/num.h"
#include "suite.h"
#include "vmm/power.h"
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * A VM without KVM: buses, a loop, and a console on pipes instead of a terminal. Its interrupts are
 * lost, because their descriptor is -1.
 */
static struct vm vm;
static struct console console;
static int to_guest, from_guest;
static char ring[4096] __attribute__((aligned(8)));

static void setup(void)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
	(void)close(in[0]);
	(void)close(out[1]);
	to_guest = in[1];
	from_guest = out[0];
	console = (struct console){0};
	vm = (struct vm){.name = "t",
		.kvm_fd = -1,
		.fd = -1,
		.ports = {.name = "ports"},
		.irq = {.vm_fd = -1},
		.coalesce = {.lock = LOCK_INIT(LOCK_COALESCE)},
		.panic = {.lock = LOCK_INIT(LOCK_PANIC)}};
	ck_assert_int_eq(loop_init(&vm.loop, NULL), 0);
	ck_assert_int_eq(console_init(&console, &vm, CONSOLE_SERIAL, NULL), 0);
}

static void put(char c)
{
	bus_write(&vm.ports, CONSOLE_PORT + UART_TX, 1, (uint8_t)c);
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static const char *received(void)
{
	static char text[256];
	ssize_t n = read(from_guest, text, sizeof(text) - 1);

	ck_assert_int_ge((int)n, 0);
	text[n] = 0;
	return text;
}

/* Serves the loop on another thread until stop_loop(). */
static pthread_t server;

static void *serve(void *arg)
{
	(void)loop_run(&vm.loop, NULL);
	return NULL;
}

static void start_loop(void)
{
	ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static void stop_loop(void)
{
	loop_stop(&vm.loop);
	(void)pthread_join(server, NULL);
}

START_TEST(a_line_comes_at_once)
{
	setup();
	put_text("one\n");
	ck_assert_str_eq(received(), "one\n");
	/* An incomplete one is delivered after a moment, by the timer. */
	put_text("two");
	start_loop();
	ck_assert_str_eq(received(), "two");
	stop_loop();
	console_fini(&console);
}
END_TEST

START_TEST(the_end_brings_the_rest)
{
	setup();
	put_text("half a line");
	console_fini(&console);
	ck_assert_str_eq(received(), "half a line");
}
END_TEST

START_TEST(input_reaches_the_guest)
{
	uint8_t v = 0;

	setup();
	start_loop();
	ck_assert_int_eq((int)write(to_guest, "hi", 2), 2);
	for (int i = 0; i < 20000 && !v; i++) {
		v = (uint8_t)bus_read(&vm.ports, CONSOLE_PORT + UART_LSR, 1) & UART_LSR_DR;
		(void)usleep(1000);
	}
	ck_assert_uint_eq(v, UART_LSR_DR);
	ck_assert_uint_eq(bus_read(&vm.ports, CONSOLE_PORT + UART_RX, 1), 'h');
	stop_loop();
	console_fini(&console);
}
END_TEST

struct escape_row {
	const char *typed, *heard;
};

/* A terminal's keys; Ctrl-A x is tried by what a run prints (test/live/run_ends.sh). */
static const struct escape_row escape_rows[] = {
	{"a\001ab", "a\001b"},
	{"\001\001x", "\001x"},
	{"\001\001\001A", "\001\001"},
	{"\001bc", "bc"},
};

static void row_typed(const struct escape_row *row)
{
	char heard[SERIAL_FIFO + 1] = "";
	size_t got = 0;

	setup();
	console.raw = true;
	start_loop();
	ck_assert_int_eq(
		(int)write(to_guest, row->typed, strlen(row->typed)), (int)strlen(row->typed));
	for (int i = 0; i < 20000 && got < strlen(row->heard); i++) {
		while (bus_read(&vm.ports, CONSOLE_PORT + UART_LSR, 1) & UART_LSR_DR)
			heard[got++] = (char)bus_read(&vm.ports, CONSOLE_PORT + UART_RX, 1);
		(void)usleep(1000);
	}
	ck_assert_str_eq(heard, row->heard);
	stop_loop();
	console_fini(&console);
	(void)close(to_guest);
	(void)close(from_guest);
}

START_TEST(a_terminal_can_type_the_escape_key)
{
	for (size_t i = 0; i < COUNT(escape_rows); i++)
		row_typed(&escape_rows[i]);
}
END_TEST

/* Input beyond the guest's FIFO waits in the pipe until there is room. */
START_TEST(input_waits_for_room)
{
	char many[3 * SERIAL_FIFO];
	size_t got = 0;

	setup();
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = (char)i;
	ck_assert_int_eq((int)write(to_guest, many, sizeof(many)), (int)sizeof(many));
	(void)close(to_guest);
	start_loop();
	for (int i = 0; i < 20000 && got < sizeof(many); i++) {
		while (bus_read(&vm.ports, CONSOLE_PORT + UART_LSR, 1) & UART_LSR_DR) {
			ck_assert_uint_eq(
				bus_read(&vm.ports, CONSOLE_PORT + UART_RX, 1), (uint8_t)many[got]);
			got++;
		}
		(void)usleep(500);
	}
	ck_assert_uint_eq(got, sizeof(many));
	stop_loop();
	console_fini(&console);
}
END_TEST

#define MUCH 600000

static unsigned status(void)
{
	unsigned lsr = (unsigned)bus_read(&vm.ports, CONSOLE_PORT + UART_LSR, 1);
	return lsr;
}

/* Sends like a driver: one FIFO at a time, when the transmitter is empty. */
static void *talk(void *arg)
{
	for (int i = 0; i < MUCH; i += SERIAL_FIFO) {
		while (!(status() & UART_LSR_THRE))
			(void)usleep(100);
		for (int k = i; k < i + SERIAL_FIFO; k++)
			put((char)('a' + k % 26));
	}
	return NULL;
}

/* A late reader gets everything in order, far more than pipe and buffer can hold. */
START_TEST(a_slow_reader_loses_nothing)
{
	static char text[4096];
	pthread_t talker;
	int n = 0;

	setup();
	start_loop();
	ck_assert_int_eq(pthread_create(&talker, NULL, talk, NULL), 0);
	while (status() & UART_LSR_THRE)
		(void)usleep(1000);
	while (n < MUCH) {
		ssize_t got = read(from_guest, text, sizeof(text));
		ck_assert_int_gt((int)got, 0);
		for (ssize_t i = 0; i < got; i++, n++)
			ck_assert_int_eq(text[i], 'a' + n % 26);
	}
	(void)pthread_join(talker, NULL);
	stop_loop();
	ck_assert_uint_eq(console.outbox.dropped, 0);
	console_fini(&console);
}
END_TEST

/* The interrupt for an empty transmitter comes when the reader makes room. */
START_TEST(the_transmitter_tells_when_it_is_empty)
{
	static char text[OUTBOX_SIZE];
	int left = 0;

	setup();
	bus_write(&vm.ports, CONSOLE_PORT + UART_IER, 1, UART_IER_THRI);
	(void)bus_read(&vm.ports, CONSOLE_PORT + UART_IIR, 1);
	while (status() & UART_LSR_THRE) {
		put_text("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
		(void)bus_read(&vm.ports, CONSOLE_PORT + UART_IIR, 1);
	}
	ck_assert(bus_read(&vm.ports, CONSOLE_PORT + UART_IIR, 1) & UART_IIR_NO_INT);
	while (!(status() & UART_LSR_THRE))
		ck_assert_int_gt((int)read(from_guest, text, sizeof(text)), 0);
	ck_assert_uint_eq(bus_read(&vm.ports, CONSOLE_PORT + UART_IIR, 1), UART_IIR_THRI);
	/* The guest sent everything before the reader had it all. */
	(void)fcntl(from_guest, F_SETFL, O_NONBLOCK);
	while (left < 1000 && outbox_drain(&console.outbox, 1, 1) == false)
		left += read(from_guest, text, sizeof(text)) < 0;
	ck_assert_int_lt(left, 1000);
	console_fini(&console);
}
END_TEST

/*
 * Without a reader, the guest sends and is not blocked, the loop works, and the end does not wait.
 */
START_TEST(nobody_reads)
{
	struct timespec before, after;

	setup();
	start_loop();
	for (int i = 0; i < 2 * OUTBOX_SIZE; i++) {
		put('x');
	}
	ck_assert(!(status() & UART_LSR_THRE));
	ck_assert_int_eq((int)write(to_guest, "k", 1), 1);
	while (!(status() & UART_LSR_DR))
		(void)usleep(1000);
	vm_stop(&vm, VM_STOPPED, "stopped");
	(void)pthread_join(server, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	console_fini(&console);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_le(after.tv_sec - before.tv_sec, 2);
	ck_assert_uint_gt(console.outbox.dropped, OUTBOX_SIZE / 2);
}
END_TEST

START_TEST(nobody_left_to_read)
{
	setup();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)close(from_guest);
	for (int i = 0; i < 3 * OUTBOX_SIZE; i++)
		put(i % 64 ? 'x' : '\n');
	console_fini(&console);
}
END_TEST

/* Writes in KVM's ring are dispatched in the guest's order. */
START_TEST(coalesced_writes_come_first)
{
	struct kvm_coalesced_mmio_ring *r = (void *)ring;
	const unsigned entries = (sizeof(ring) - sizeof(*r)) / sizeof(r->coalesced_mmio[0]);

	setup();
	memset(ring, 0, sizeof(ring));
	r->first = r->last = entries - 2; /* wraps */
	for (const char *c = "abc\n"; *c; c++) {
		r->coalesced_mmio[r->last] = (struct kvm_coalesced_mmio){
			.phys_addr = CONSOLE_PORT, .len = 1, .pio = 1, .data = {(uint8_t)*c}};
		r->last = (r->last + 1) % entries;
	}
	vm.coalesce.ring = r;
	ck_assert_uint_eq(coalesce_drain(&vm), 4);
	ck_assert_uint_eq(r->first, r->last);
	ck_assert_uint_eq(coalesce_drain(&vm), 0);
	ck_assert_str_eq(received(), "abc\n");
	ck_assert_uint_eq(vm.coalesce.taken, 4);
	vm.coalesce.ring = NULL;
	console_fini(&console);
}
END_TEST

START_TEST(power_ends_the_guest_once)
{
	struct power power;

	setup();
	ck_assert_int_eq(power_init(&power, &vm, NULL), 0);
	bus_write(&vm.ports, POWER_SLEEP_CONTROL, 1, 3 << 2 | POWER_SLEEP_ENABLE); /* S3: none */
	bus_write(&vm.ports, POWER_SLEEP_CONTROL, 1, POWER_SLEEP_S5 << 2);
	bus_write(&vm.ports, POWER_RESET, 1, 0);
	power_reset_control(&vm, 2);
	ck_assert_int_eq(vm_ended(&vm), VM_RUNNING);
	ck_assert_uint_eq(bus_read(&vm.ports, POWER_SLEEP_STATUS, 1), 0);
	bus_write(&vm.ports, POWER_SLEEP_CONTROL, 1, POWER_SLEEP_S5 << 2 | POWER_SLEEP_ENABLE);
	ck_assert_int_eq(vm_ended(&vm), VM_POWEROFF);
	bus_write(&vm.ports, POWER_RESET, 1, POWER_RESET_VALUE);
	power_reset_control(&vm, 6);
	ck_assert_int_eq(vm_ended(&vm), VM_POWEROFF);
	/* The loop ends even if it was stopped before it ran. */
	ck_assert_int_eq(loop_run(&vm.loop, NULL), 0);
	console_fini(&console);
}
END_TEST

/* Reads from a viewer's end until @text has come, and returns what came before it. */
static const char *hear_until(int fd, const char *text)
{
	static char all[8 * VIEWERS_HISTORY]; /* more than a socket holds */
	size_t len = 0;

	all[0] = '\0';
	while (!strstr(all, text)) {
		ssize_t n = read(fd, all + len, sizeof(all) - 1 - len);
		ck_assert_int_gt((int)n, 0);
		len += (size_t)n;
		all[len] = '\0';
	}
	*strstr(all, text) = '\0';
	return all;
}

static int view(bool read_only)
{
	const struct timeval patience = {.tv_sec = 50};
	const int little = 16384; /* what a viewer that does not read can hold */
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	ck_assert_int_eq(console_show(&console, ends[1], read_only), 0);
	return ends[0];
}

/* With the answer, all of the history is in the socket, wherever in the ring it begins. */
START_TEST(the_history_comes_at_once)
{
	static char all[2 * VIEWERS_HISTORY];
	int ends[2];
	size_t len = 0;
	ssize_t n;

	setup();
	for (unsigned i = 0; i < VIEWERS_HISTORY / 8 + 13; i++)
		put_text("1234567\n");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(console_show(&console, ends[1], true), 0);
	while ((n = recv(ends[0], all + len, sizeof(all) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	ck_assert_uint_eq(len, VIEWERS_HISTORY);
	(void)close(ends[0]);
	console_fini(&console);
}
END_TEST

static void guest_expects(char key)
{
	uint8_t v = 0;

	for (int i = 0; i < 20000 && !v; i++) {
		v = (uint8_t)bus_read(&vm.ports, CONSOLE_PORT + UART_LSR, 1) & UART_LSR_DR;
		(void)usleep(1000);
	}
	ck_assert_uint_eq(v, UART_LSR_DR);
	ck_assert_int_eq((char)bus_read(&vm.ports, CONSOLE_PORT + UART_RX, 1), key);
}

START_TEST(several_look_and_type)
{
	setup();
	put_text("before\n");
	int first = view(false), second = view(true);
	start_loop();
	ck_assert_str_eq(hear_until(first, "before\n"), "");
	ck_assert_str_eq(hear_until(second, "before\n"), "");
	put_text("after");
	ck_assert_str_eq(hear_until(first, "after"), "");
	ck_assert_str_eq(hear_until(second, "after"), "");
	ck_assert_int_eq((int)write(second, "x", 1), 1); /* may look alone */
	ck_assert_int_eq((int)write(first, "y", 1), 1);
	guest_expects('y');
	/* One that leaves does not take the other along; half of one may stay. */
	(void)close(first);
	(void)shutdown(second, SHUT_WR);
	put_text("more");
	ck_assert_str_eq(hear_until(second, "more"), "");
	stop_loop();
	console_fini(&console);
	ck_assert_int_eq((int)read(second, &(char){0}, 1), 0);
	(void)close(second);
}
END_TEST

/* It never reads: the guest goes on, the others see all, and it is told how much it has missed. */
START_TEST(a_viewer_that_never_reads)
{
	char line[64];

	setup();
	int deaf = view(true), other = view(false);
	start_loop();
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(line, sizeof(line), "line %d of many, none of which it reads\n", i);
		put_text(line);
		if (i % 500 == 499)
			(void)hear_until(other, line);
	}
	put_text("the last one");
	(void)hear_until(other, "the last one");
	(void)hear_until(deaf, " bytes are lost here, because they were not read]");
	(void)hear_until(deaf, "the last one");
	stop_loop();
	console_fini(&console);
	(void)close(deaf);
	(void)close(other);
}
END_TEST

/* They leave while the guest says nothing: their places are free. */
START_TEST(viewers_come_and_go)
{
	int ends[2], r = -EUSERS;

	setup();
	start_loop();
	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		int fd = view(i % 2);
		if (i % 3 == 0)
			(void)shutdown(fd, SHUT_WR);
		(void)close(fd);
	}
	for (int i = 0; i < 20000 && r < 0; i++) {
		(void)usleep(1000);
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		stop_loop();
		loop_restart(&vm.loop);
		r = console_show(&console, ends[1], true);
		start_loop();
		(void)close(ends[0]);
	}
	ck_assert_int_eq(r, 0);
	stop_loop();
	console_fini(&console);
}
END_TEST

START_TEST(one_viewer_too_many)
{
	int ends[VIEWERS_MAX], last[2];

	setup();
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		ends[i] = view(false);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, last), 0);
	ck_assert_int_eq(console_show(&console, last[1], false), -EUSERS);
	ck_assert_int_eq((int)read(last[0], &(char){0}, 1), 0);
	console_fini(&console);
	for (size_t i = 0; i < VIEWERS_MAX; i++)
		(void)close(ends[i]);
	(void)close(last[0]);
}
END_TEST

SUITE("console", the_history_comes_at_once, several_look_and_type, a_viewer_that_never_reads,
	one_viewer_too_many, viewers_come_and_go, a_line_comes_at_once, the_end_brings_the_rest,
	input_reaches_the_guest, a_terminal_can_type_the_escape_key, input_waits_for_room,
	a_slow_reader_loses_nothing, the_transmitter_tells_when_it_is_empty, nobody_reads,
	nobody_left_to_read, coalesced_writes_come_first, power_ends_the_guest_once)
