/* SPDX-License-Identifier: MIT */
#include "bind/refusal.h"

#include "bind/env.h"
#include "suite.h"

#include <stdlib.h>
#include <unistd.h>

#define TIMES 5

START_TEST(counts_without_an_end)
{
	char state[] = "/tmp/usher-refusal-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(state));
	const struct bind_env env = {.state = state};
	ck_assert_uint_eq(bind_refusals(&env), 0);
	for (unsigned i = 0; i < TIMES; i++)
		bind_refusal_count(&env);
	ck_assert_uint_eq(bind_refusals(&env), TIMES);
	(void)snprintf(path, sizeof(path), "%s/refusals", state);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(state), 0);
}
END_TEST

START_TEST(needs_no_folder)
{
	const struct bind_env env = {.state = "/tmp/usher-refusal-none"};

	bind_refusal_count(&env);
	ck_assert_uint_eq(bind_refusals(&env), 0);
}
END_TEST

SUITE("refusal", counts_without_an_end, needs_no_folder)
