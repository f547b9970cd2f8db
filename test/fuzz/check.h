/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_CHECK_H
#define TEST_FUZZ_CHECK_H

/*
 * Check's words for a fuzzer, found before the real <check.h>: the fixtures of the unit tests
 * assert with them, and here a broken assertion is the crash that the fuzzer looks for.
 */
#include <stdio.h>
#include <stdlib.h>

#define ck_assert(x)                                                            \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)
#define ck_assert_msg(x, ...) ck_assert(x)
#define ck_assert_int_eq(a, b) ck_assert((a) == (b))
#define ck_assert_int_ge(a, b) ck_assert((a) >= (b))
#define ck_assert_uint_eq(a, b) ck_assert((a) == (b))
#define ck_assert_uint_ne(a, b) ck_assert((a) != (b))
#define ck_assert_uint_gt(a, b) ck_assert((a) > (b))
#define ck_assert_ptr_ne(a, b) ck_assert((a) != (b))
#define ck_assert_ptr_nonnull(a) ck_assert((a) != NULL)

#endif
