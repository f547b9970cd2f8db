/* SPDX-License-Identifier: MIT */
/* usher exec --device 0000:04:02.0 -- edu-factorial 10 */
#include "base/err.h"
#include "driver/edu.h"

#include <stdio.h>
#include <stdlib.h>

static int factorial(struct edu *edu, uint32_t n, struct err *e)
{
	uint32_t product;

	int r = edu_factorial(edu, n, &product, e);
	if (r == 0)
		(void)printf("%u! = %u (modulo 2^32)\n", n, product);
	return r;
}

int main(int argc, char **argv)
{
	struct attachment at;
	struct edu edu = EDU_NONE;
	struct err e = {0};

	int r = attach_inherit(NULL, &at, &e);
	if (r == 0)
		r = edu_open(&at, EDU_MSI, &edu, &e);
	if (r == 0)
		r = factorial(&edu, argc > 1 ? (uint32_t)atoi(argv[1]) : 10, &e);
	if (r < 0)
		(void)fprintf(stderr, "edu-factorial: %s\n%s\n", e.msg, e.hint);
	edu_close(&edu);
	attach_close(&at);
	return r < 0;
}
