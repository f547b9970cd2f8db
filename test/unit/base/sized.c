/* SPDX-License-Identifier: MIT */
/* Structures of two versions meet: each side knows as much as it was built with. */
#include "base/sized.h"

#include "suite.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct first {
	uint32_t a, b;
};
struct second {
	uint32_t a, b, c;
};

START_TEST(answers_an_older_caller_in_its_size)
{
	const struct second known = {1, 2, 3};
	struct second caller = {9, 9, 9};

	ck_assert_int_eq(sized_write(&caller, sizeof(struct first), sizeof(struct first), &known,
				 sizeof(known)),
		0);
	ck_assert_uint_eq(caller.b, 2);
	ck_assert_uint_eq(caller.c, 9); /* it is not the caller's */
}
END_TEST

START_TEST(answers_a_newer_caller_with_zeros)
{
	const struct first known = {1, 2};
	struct second caller = {9, 9, 9};

	ck_assert_int_eq(
		sized_write(&caller, sizeof(caller), sizeof(known), &known, sizeof(known)), 0);
	ck_assert_uint_eq(caller.b, 2);
	ck_assert_uint_eq(caller.c, 0);
}
END_TEST

START_TEST(reads_an_older_request_with_zeros)
{
	const struct first caller = {1, 2};
	struct second known = {9, 9, 9};

	ck_assert_int_eq(
		sized_read(&known, sizeof(known), sizeof(caller), &caller, sizeof(caller)), 0);
	ck_assert_uint_eq(known.b, 2);
	ck_assert_uint_eq(known.c, 0);
}
END_TEST

START_TEST(refuses_a_request_that_it_does_not_know)
{
	struct second caller = {1, 2, 0};
	struct first known = {9, 9};

	ck_assert_int_eq(
		sized_read(&known, sizeof(known), sizeof(known), &caller, sizeof(caller)), 0);
	ck_assert_uint_eq(known.a, 1);
	caller.c = 1u << 31;
	known.a = 9;
	ck_assert_int_eq(
		sized_read(&known, sizeof(known), sizeof(known), &caller, sizeof(caller)), -E2BIG);
	ck_assert_uint_eq(known.a, 9);
}
END_TEST

START_TEST(refuses_less_than_the_first_version)
{
	struct second caller = {9, 9, 9};
	const struct second known = {1, 2, 3};

	ck_assert_int_eq(sized_write(&caller, 7, 8, &known, sizeof(known)), -EINVAL);
	ck_assert_int_eq(sized_read(&caller, sizeof(caller), 8, &known, 7), -EINVAL);
	ck_assert_uint_eq(caller.a, 9);
}
END_TEST

SUITE("sized", answers_an_older_caller_in_its_size, answers_a_newer_caller_with_zeros,
	reads_an_older_request_with_zeros, refuses_a_request_that_it_does_not_know,
	refuses_less_than_the_first_version)
