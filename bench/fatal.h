/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FATAL_H
#define BENCH_FATAL_H

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints the error and ends the program if @r is one. */
static inline void check_err(int r, const struct err *e)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s: %s\n", program_invocation_short_name, e->msg);
	exit(1);
}

#endif
