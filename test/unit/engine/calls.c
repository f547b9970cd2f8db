/* SPDX-License-Identifier: MIT */
/*
 * The keeper's answers to malformed calls, as a usher-vmm under the guest's control may send them.
 */
#include "engine/calls.h"

#include "engine/backend.h"
#include "lingering.h"
#include "suite.h"
#include "wire/call.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int other; /* the VMM's end */
static struct calls calls;

static void setup(void)
{
	int ends[2];

	ck_assert_int_eq(wire_pair(ends), 0);
	other = ends[0];
	calls = CALLS_NONE;
	calls.fd = ends[1];
}

/* Fills the stack that the next function uses for its variables. */
__attribute__((noinline)) static void use_stack(void)
{
	volatile char bytes[4096];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0x5a;
}

static struct wire_call answer_to(const void *message, size_t size)
{
	struct wire_call answer;

	ck_assert_int_eq((int)send(other, message, size, 0), (int)size);
	use_stack();
	calls_serve(&calls, NULL);
	ck_assert_int_eq(wire_receive(other, &answer, sizeof(answer), NULL), 0);
	ck_assert_uint_eq(answer.header.kind, WIRE_ANSWER);
	return answer;
}

START_TEST(a_short_call_learns_nothing_of_the_keeper)
{
	setup();
	struct wire_call answer = answer_to("", 1);
	ck_assert_int_eq(answer.result, -EPROTO);
	ck_assert_uint_eq(answer.header.id, 0);
	calls_close(&calls);
}
END_TEST

START_TEST(a_call_out_of_bounds_is_refused)
{
	struct wire_call call = {.header = {.version = WIRE_VERSION,
					 .kind = WIRE_LEAVE_GROUP,
					 .size = sizeof(call),
					 .id = 7},
		.group = -1};

	setup();
	struct wire_call answer = answer_to(&call, sizeof(call));
	ck_assert_int_eq(answer.result, -EPROTO);
	ck_assert_uint_eq(answer.header.id, 7);
	call.group = 0; /* a guest without devices */
	ck_assert_int_eq(answer_to(&call, sizeof(call)).result, -EPERM);
	calls_close(&calls);
}
END_TEST

START_TEST(a_closed_end_is_let_go)
{
	setup();
	ck_assert_int_eq(shutdown(other, SHUT_RDWR), 0);
	calls_serve(&calls, NULL);
	ck_assert_int_eq(calls.fd, -1);
	calls_close(&calls);
}
END_TEST

/* The message has the last descriptor of that connection. */
static bool send_lingering(void)
{
	struct wire_call call = {.header.kind = WIRE_LEAVE_GROUP};
	struct wire_fds fds = {.count = 1, .fds = {lingering_socket()}};

	if (fds.fds[0] < 0)
		return false;
	ck_assert_int_eq(wire_send(other, &call, sizeof(call), &fds), 0);
	(void)close(fds.fds[0]);
	return true;
}

START_TEST(a_descriptor_that_lingers_is_not_waited_for)
{
	time_t begun = time(NULL);

	for (int received = 0; received < 2; received++) {
		setup();
		if (!send_lingering())
			return;
		if (received)
			calls_serve(&calls, NULL);
		ck_assert_int_eq(calls.fd < 0, received);
		calls_close(&calls);
	}
	ck_assert_int_lt((int)(time(NULL) - begun), LINGER_S / 2);
}
END_TEST

static int helper_end; /* of a pipe: open in the process that answers, as long as that runs */

/* A server's file system hangs. */
int __wrap_backends_reconnect(const struct backends *s, unsigned number);
int __wrap_backends_reconnect(const struct backends *s, unsigned number)
{
	ck_assert_int_eq(write(helper_end, "x", 1), 1);
	for (;;)
		(void)pause();
}

static void keeper_main(const int pipe_fds[2])
{
	struct wire_call call = {.header = {.kind = WIRE_LEND_BACKEND, .id = 1}};

	setup();
	helper_end = pipe_fds[1];
	ck_assert_int_eq(wire_send(other, &call, sizeof(call), NULL), 0);
	calls_serve(&calls, NULL);
	(void)usleep(300000);
	_exit(0);
}

START_TEST(who_answers_ends_with_the_keeper)
{
	int pipe_fds[2];
	char byte;

	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid_t keeper = fork();
	if (keeper == 0)
		keeper_main(pipe_fds);
	(void)close(pipe_fds[1]);
	(void)alarm(10);
	ck_assert_int_eq(waitpid(keeper, NULL, 0), keeper);
	/* It was there, and is gone. */
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 0);
	(void)alarm(0);
	(void)close(pipe_fds[0]);
}
END_TEST

/* Nobody waits for the file system for ever: not usher-vmm, for which the process answers. */
START_TEST(a_file_system_that_hangs_is_given_up)
{
	struct wire_call call = {.header = {.kind = WIRE_LEND_BACKEND, .id = 1}};
	struct wire_call answer;
	int pipe_fds[2];

	setup();
	ck_assert_int_eq(pipe(pipe_fds), 0);
	helper_end = pipe_fds[1];
	calls_dial_seconds = 1;
	ck_assert_int_eq(wire_send(other, &call, sizeof(call), NULL), 0);
	calls_serve(&calls, NULL);
	for (unsigned ms = 0; calls.helper_count; ms += 10) {
		ck_assert_uint_lt(ms, 8000);
		(void)usleep(10000);
		calls_reap(&calls);
	}
	ck_assert_int_eq(wire_receive(other, &answer, sizeof(answer), NULL), 0);
	ck_assert_int_eq(answer.result, -EIO);
	ck_assert_uint_eq(answer.header.id, 1);
	calls_close(&calls);
}
END_TEST

SUITE("engine_calls", a_short_call_learns_nothing_of_the_keeper, a_call_out_of_bounds_is_refused,
	a_closed_end_is_let_go, a_descriptor_that_lingers_is_not_waited_for,
	who_answers_ends_with_the_keeper, a_file_system_that_hangs_is_given_up)
