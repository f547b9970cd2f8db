/* SPDX-License-Identifier: MIT */
#include "base/load.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>

static double (*cosine)(double);

static int load(const char *names, const char *symbol, struct err *e)
{
	const struct load_symbol symbols[] = {{symbol, &cosine}};

	*e = (struct err){0};
	cosine = NULL;
	return load_library(names, "libnone1", symbols, 1, e);
}

START_TEST(takes_the_first_name_that_is_there)
{
	static const char *const names[] = {
		"libm.so.6", "libnone.so.1 libm.so.6", "libnone.so.1  libm.so.6 libnone.so.2"};
	struct err e;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_msg(load(names[i], "cos", &e) == 0, "%s", e.msg);
		ck_assert(cosine(0) == 1);
	}
}
END_TEST

/* libdl.so.2 has no cos(). */
START_TEST(takes_no_library_that_lacks_a_symbol)
{
	struct err e;

	ck_assert_msg(load("libdl.so.2 libm.so.6", "cos", &e) == 0, "%s", e.msg);
	ck_assert_int_eq(load("libm.so.6 libnone.so.1", "no_such_call", &e), -ENOPKG);
	ck_assert_str_eq(e.msg, "library 'libm.so.6' is too old: it has no no_such_call()");
}
END_TEST

START_TEST(names_the_first_one_if_there_is_none)
{
	struct err e;

	ck_assert_int_eq(load("libnone.so.1 libnone.so.2", "cos", &e), -ENOPKG);
	ck_assert_str_eq(e.msg, "library 'libnone.so.1' is not installed");
	ck_assert_str_eq(e.hint, "apt install libnone1");
}
END_TEST

SUITE("load", takes_the_first_name_that_is_there, takes_no_library_that_lacks_a_symbol,
	names_the_first_one_if_there_is_none)
