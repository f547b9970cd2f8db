/* SPDX-License-Identifier: MIT */
#include "image/version.h"

#include "suite.h"

START_TEST(numbers_count_as_numbers)
{
	static const char *const rising[] = {"-6.1.0~rc7-amd64", "-6.1.0-9-amd64",
		"-6.1.0-18-amd64", "-6.1.0-18-amd64+1", "-6.1.1", "-6.9.0", "-6.10.0-rc1",
		"-6.10.1", "-10", "-99999999999999999999999", "-100000000000000000000000"};
	const size_t count = sizeof(rising) / sizeof(rising[0]);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			int order = version_compare(rising[i], rising[j]);
			ck_assert_msg((i < j) == (order < 0) && (i == j) == (order == 0),
				"'%s' and '%s' compare as %d", rising[i], rising[j], order);
		}
	ck_assert_int_eq(version_compare("-6.01", "-6.1"), 0);
	ck_assert_int_eq(version_compare("", ""), 0);
}
END_TEST

SUITE("version", numbers_count_as_numbers)
