/* SPDX-License-Identifier: MIT */
#ifndef TEST_LIVE_MEMBER_H
#define TEST_LIVE_MEMBER_H

#include "base/err.h"
#include "host/host.h"
#include "vfio/device.h"
#include "vfio/type1.h"

#include <stdio.h>
#include <stdlib.h>

static inline int member_failed(const char *program, const struct err *e)
{
	(void)fprintf(stderr, "%s: %s (%s)\n", program, e->msg, e->hint);
	return 1;
}

/* Opens the device of a program's arguments, ADDRESS GROUP. Return: 0, or an exit status. */
static inline int member_open(
	const char *program, int argc, char **argv, struct vfio_ioas *s, struct vfio_dev *d)
{
	struct err e = {0};

	if (argc != 3)
		return 2;
	const struct vfio_member m = {.host = host_live(), .name = argv[1], .group = atoi(argv[2])};
	if (vfio_ioas_open(&vfio_type1, s, &e) < 0 || vfio_ioas_attach(s, &m, d, &e) < 0)
		return member_failed(program, &e);
	return 0;
}

#endif
