/* SPDX-License-Identifier: MIT */
/* Where the folder of a guest is: it decides what an ordinary user may run. */
#include "cli/loan.h"

#include "bind/env.h"
#include "suite.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define OWN "/own/usher"

static struct loan_words words;

/* Where an ordinary user's guest has its folder. root's rights come back, for the leak checker. */
static const char *ordinary_dir(void)
{
	const bool is_root = geteuid() == 0;

	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", "/own", 1), 0);
	if (is_root)
		ck_assert_int_eq(seteuid(65534), 0);
	const char *dir = loan_run_dir(&words);
	if (is_root)
		ck_assert_int_eq(seteuid(0), 0);
	return dir;
}

START_TEST(a_guest_without_devices_needs_nothing_of_root)
{
	words = (struct loan_words){0};
	ck_assert_str_eq(ordinary_dir(), OWN);
}
END_TEST

START_TEST(a_guest_with_devices_of_its_user_has_a_place)
{
	words = (struct loan_words){.device_count = 1, .spec.device_count = 1, .borrows = true};
	ck_assert_str_eq(ordinary_dir(), OWN);
	words.borrows = false;
	words.spec.devices[0].handed = true;
	ck_assert_str_eq(ordinary_dir(), OWN);
}
END_TEST

/* The journal that brings its devices back is there. */
START_TEST(a_guest_that_takes_devices_has_the_place_of_root)
{
	words = (struct loan_words){.device_count = 1};
	ck_assert_str_eq(ordinary_dir(), BIND_STATE_DIR);
	words = (struct loan_words){.spec.device_count = 1};
	ck_assert_str_eq(ordinary_dir(), BIND_STATE_DIR);
}
END_TEST

SUITE("cli_loan", a_guest_without_devices_needs_nothing_of_root,
	a_guest_with_devices_of_its_user_has_a_place,
	a_guest_that_takes_devices_has_the_place_of_root)
