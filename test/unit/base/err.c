/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include "suite.h"

#include <errno.h>
#include <string.h>

START_TEST(carries_subject_action_reason)
{
	struct err e = {0};

	ck_assert_int_eq(err_set(&e, -EBUSY, "open %s", "/dev/vfio/3"), -EBUSY);
	ck_assert_str_eq(e.msg, "open /dev/vfio/3: Device or resource busy");
	err_hint(&e, "another process holds it");
	ck_assert_int_eq(err_in(&e, -EBUSY, "%s", "0000:01:00.0"), -EBUSY);
	ck_assert_str_eq(e.msg, "0000:01:00.0: open /dev/vfio/3: Device or resource busy");
	ck_assert_str_eq(e.hint, "another process holds it");
	ck_assert_int_eq(e.code, -EBUSY);
}
END_TEST

START_TEST(a_new_cause_clears_the_old_hint)
{
	struct err e = {0};

	err_hint(&e, "old");
	(void)err_say(&e, -EINVAL, "new");
	ck_assert_str_eq(e.hint, "");
	ck_assert_str_eq(e.msg, "new");
}
END_TEST

START_TEST(nobody_asked)
{
	ck_assert_int_eq(err_set(NULL, -EIO, "x"), -EIO);
	ck_assert_int_eq(err_in(NULL, -EIO, "x"), -EIO);
	err_hint(NULL, "x");
}
END_TEST

START_TEST(long_texts_are_cut_and_ended)
{
	char text[2000];
	struct err e = {0};

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&e, -EIO, "%s", text);
	ck_assert_uint_eq(strlen(e.msg), sizeof(e.msg) - 1);
	(void)err_in(&e, -EIO, "%s", text);
	ck_assert_uint_lt(strlen(e.msg), sizeof(e.msg));
}
END_TEST

SUITE("err", carries_subject_action_reason, a_new_cause_clears_the_old_hint, nobody_asked,
	long_texts_are_cut_and_ended)
