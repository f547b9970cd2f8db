/* SPDX-License-Identifier: MIT */
#include "vmm/keeper.h"

#include "suite.h"
#include "wire/call.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static const struct pci_address device = {.domain = 0x10000, .bus = 1, .dev = 2, .fn = 3};
static int far_end; /* the keeper's end of the socket */

static void keeper_connect(struct keeper *k)
{
	int ends[2];

	ck_assert_int_eq(wire_pair(ends), 0);
	keeper_init(k, ends[0]);
	far_end = ends[1];
}

static struct wire_call seen;

/* Answers one call with @arg, a struct wire_call; fills in its kind and id if they are 0. */
static void *answer_one(void *arg)
{
	struct wire_call answer = *(const struct wire_call *)arg;
	const struct wire_fds fds = {.count = answer.group > 0, .fds = {answer.group}};

	if (wire_receive(far_end, &seen, sizeof(seen), NULL) < 0)
		return NULL;
	if (!answer.header.kind)
		answer.header.kind = WIRE_ANSWER;
	if (!answer.header.id)
		answer.header.id = seen.header.id;
	(void)wire_send(far_end, &answer, sizeof(answer), &fds);
	return NULL;
}

/* @group: a descriptor that comes with the answer, 0 none. */
static pthread_t answer_with(const struct wire_call *answer)
{
	union {
		const struct wire_call *in;
		void *out;
	} arg = {.in = answer};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, answer_one, arg.out), 0);
	return thread;
}

START_TEST(a_reset_names_the_device)
{
	static const struct wire_call refused = {.result = -EPERM};
	struct pci_address a;
	struct keeper k;

	keeper_connect(&k);
	pthread_t thread = answer_with(&refused);
	ck_assert_int_eq(keeper_reset_bus(&k, device), -EPERM);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(wire_call_check(&seen), 0);
	ck_assert_uint_eq(seen.header.kind, WIRE_RESET_BUS);
	ck_assert_int_eq(wire_address_parse(&seen.device, &a), 0);
	ck_assert(pci_address_equal(a, device));
	keeper_fini(&k);
}
END_TEST

START_TEST(a_group_is_lent)
{
	struct wire_call lent = {.group = open("/dev/null", O_RDONLY)};
	struct keeper k;

	keeper_connect(&k);
	pthread_t thread = answer_with(&lent);
	int fd = keeper_lend_group(&k, 7);
	(void)pthread_join(thread, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(seen.group, 7);
	(void)close(fd);
	keeper_fini(&k);
}
END_TEST

START_TEST(answers_to_no_call_are_refused)
{
	static const struct wire_call wrong[] = {
		{.header.id = 99},
		{.header.kind = WIRE_RESET_BUS},
		{.result = 1},
	};
	struct keeper k;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		keeper_connect(&k);
		pthread_t thread = answer_with(&wrong[i]);
		ck_assert_int_eq(keeper_leave_group(&k, 1), -EPROTO);
		(void)pthread_join(thread, NULL);
		keeper_fini(&k);
		(void)close(far_end);
	}
	/* A keeper that lends no group. */
	static const struct wire_call bare = {0};
	keeper_connect(&k);
	pthread_t thread = answer_with(&bare);
	ck_assert_int_eq(keeper_lend_group(&k, 1), -EPROTO);
	(void)pthread_join(thread, NULL);
	keeper_fini(&k);
}
END_TEST

/* The keeper answers for a helper that was killed, which may have answered already. */
START_TEST(a_second_answer_to_an_earlier_call_is_dropped)
{
	static const struct wire_call last = {.result = -ENXIO};
	struct wire_call early = {.header = {.kind = WIRE_ANSWER, .id = 1}, .result = -EIO};
	const struct wire_fds fds = {.count = 1, .fds = {STDIN_FILENO}};
	struct keeper k;

	keeper_connect(&k);
	pthread_t thread = answer_with(&last);
	ck_assert_int_eq(keeper_reset_bus(&k, device), -ENXIO);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(wire_send(far_end, &early, sizeof(early), &fds), 0);
	thread = answer_with(&last);
	int next = dup(STDIN_FILENO);
	(void)close(next);
	ck_assert_int_eq(keeper_reset_bus(&k, device), -ENXIO);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(dup(STDIN_FILENO), next); /* its descriptor is closed */
	keeper_fini(&k);
}
END_TEST

START_TEST(without_a_keeper_every_call_fails)
{
	struct keeper k;

	ck_assert_int_eq(keeper_reset_bus(NULL, device), -ENOTCONN);
	keeper_init(&k, -1);
	ck_assert_int_eq(keeper_lend_group(&k, 1), -ENOTCONN);
	keeper_fini(&k);
	keeper_connect(&k);
	(void)close(far_end);
	ck_assert_int_eq(keeper_reset_bus(&k, device), -EPIPE);
	keeper_fini(&k);
}
END_TEST

SUITE("keeper", a_reset_names_the_device, a_group_is_lent, answers_to_no_call_are_refused,
	a_second_answer_to_an_earlier_call_is_dropped, without_a_keeper_every_call_fails)
