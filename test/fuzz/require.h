/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_REQUIRE_H
#define TEST_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

/* If @condition does not hold, the fuzzer crashes and prints @what, the rule that is broken. */
static inline void require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

#endif
