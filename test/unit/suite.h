/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_SUITE_H
#define TEST_UNIT_SUITE_H

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* [s] for one test. A test takes milliseconds, but far longer on a busy machine. */
#define SUITE_TIMEOUT 60

/* The folder of fixtures: argv[1] of the test program. */
static const char *suite_fixtures __attribute__((unused));

/* A copy of @text to free(), for a parser that writes into its input. */
static inline char *suite_copy(const char *text)
{
	char *copy = strdup(text);

	ck_assert_ptr_nonnull(copy);
	return copy;
}

static inline TCase *suite_case(const char *name, const TTest *const *tests, size_t count)
{
	TCase *c = tcase_create(name);

	tcase_set_timeout(c, SUITE_TIMEOUT);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(c, tests[i]);
	return c;
}

static inline int suite_run_case(const char *name, TCase *c)
{
	Suite *s = suite_create(name);

	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

static inline int suite_run(const char *name, const TTest *const *tests, size_t count)
{
	return suite_run_case(name, suite_case(name, tests, count));
}

/* Last line of a test file: SUITE("num", parses_decimal, refuses_blanks) */
#define SUITE(name, ...)                                                            \
	int main(int argc, char **argv)                                             \
	{                                                                           \
		suite_fixtures = argc > 1 ? argv[1] : "test/unit/fixture";          \
		const TTest *const tests_[] = {__VA_ARGS__};                        \
		return suite_run(name, tests_, sizeof(tests_) / sizeof(tests_[0])); \
	}

#endif
