/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "suite.h"

#include <stdlib.h>
#include <string.h>

START_TEST(grows_and_ends_with_a_nul)
{
	char *text = NULL;
	struct text t;

	ck_assert_int_eq(text_begin(&t), 0);
	for (unsigned i = 0; i < 10000; i++)
		(void)fputc('x', t.out);
	(void)fprintf(t.out, "end");
	ck_assert_int_eq(text_end(&t, &text), 10003);
	ck_assert_uint_eq(strlen(text), 10003);
	ck_assert_str_eq(text + 10000, "end");
	free(text);
}
END_TEST

/* The stream fails, as without memory: the caller's pointer is unchanged. */
START_TEST(a_failed_text_is_none)
{
	char *text = NULL;
	struct text t = {.out = fopen("/dev/full", "w")};

	ck_assert_ptr_nonnull(t.out);
	(void)fputs("lost", t.out);
	ck_assert_int_lt(text_end(&t, &text), 0);
	ck_assert_ptr_null(text);
}
END_TEST

SUITE("text", grows_and_ends_with_a_nul, a_failed_text_is_none)
