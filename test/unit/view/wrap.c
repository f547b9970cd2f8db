/* SPDX-License-Identifier: MIT */
#include "view/wrap.h"

#include "suite.h"

#include <stdlib.h>
#include <string.h>

static void check(unsigned width, unsigned hang, const char *text, const char *expected)
{
	char *got = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&got, &len);

	ck_assert_ptr_nonnull(f);
	wrap_put(f, width, hang, text);
	(void)fclose(f);
	ck_assert_str_eq(got, expected);
	free(got);
}

START_TEST(leaves_what_fits)
{
	check(0, 4, "  a sentence that is much longer than any terminal could ever be wide, is it",
		"  a sentence that is much longer than any terminal could ever be wide, is it\n");
	check(40, 4, "  forty columns is what there is of room",
		"  forty columns is what there is of room\n");
	check(80, 4, "", "\n");
}
END_TEST

START_TEST(breaks_between_words)
{
	check(40, 4, "  forty columns is what there is of room, no more",
		"  forty columns is what there is of\n    room, no more\n");
	check(40, 6, "  label  one two three four five six seven eight nine ten",
		"  label  one two three four five six\n      seven eight nine ten\n");
}
END_TEST

/* A path stays in one piece, to be copied. An absurd width of the terminal is ignored. */
START_TEST(never_breaks_a_word)
{
	check(40, 4, "see /sys/bus/pci/devices/0000:01:00.0/driver_override there",
		"see\n    /sys/bus/pci/devices/0000:01:00.0/driver_override\n    there\n");
	check(40, 4, "/sys/bus/pci/devices/0000:01:00.0/driver_override",
		"/sys/bus/pci/devices/0000:01:00.0/driver_override\n");
	check(7, 4, "one two three", "one two three\n");
	check(40, 4, "the largest, group 2, has 3: 'usher list --group 2'; so",
		"the largest, group 2, has 3:\n    'usher list --group 2'; so\n");
	check(40, 4, "the kernel's own word has no such end, has it, or so",
		"the kernel's own word has no such end,\n    has it, or so\n");
}
END_TEST

SUITE("wrap", leaves_what_fits, breaks_between_words, never_breaks_a_word)
