/* SPDX-License-Identifier: MIT */
/* lib_errno ADDRESS GROUP: the table of errno_rows.h, asked of the kernel. */
#include "unit/errno_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

static int failed, number;

static int open_group(struct errno_bench *b, struct vfio_group *ret)
{
	(void)b;
	return vfio_group_open(NULL, number, ret, NULL);
}

static void row(const char *text, int expected, int found)
{
	if (found == expected)
		printf("ok %s\n", text);
	else
		printf("not ok %s: %d, expected %d\n", text, found, expected);
	failed |= found != expected;
}

int main(int argc, char **argv)
{
	struct errno_bench b = {.group = open_group, .row = row};
	struct err e = {0};

	if (argc != 3)
		return 2;
	b.name = argv[1];
	number = atoi(argv[2]);
	if (vfio_container_open(&b.c, &e) < 0 || vfio_group_open(NULL, number, &b.g, &e) < 0) {
		printf("not ok %s\n", e.msg);
		return 1;
	}
	errno_rows(&b);
	return failed;
}
