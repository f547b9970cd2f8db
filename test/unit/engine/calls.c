/* SPDX-License-Identifier: MIT */
/*
 * The keeper's answers to malformed calls, as a usher-vmm under the guest's control may send them.
 */
#include "engine/calls.h"

#include "suite.h"
#include "wire/call.h"

#include <errno.h>
#include <sys/socket.h>

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

SUITE("engine_calls", a_short_call_learns_nothing_of_the_keeper, a_call_out_of_bounds_is_refused,
	a_closed_end_is_let_go)
