/* SPDX-License-Identifier: MIT */
/* vfio_hold ADDRESS GROUP: opens a device that is on vfio-pci, prints "held", and keeps it open. */
#include "base/err.h"
#include "host/host.h"
#include "vfio/device.h"
#include "vfio/type1.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct vfio_ioas ioas = VFIO_IOAS_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;
	struct err e = {0};

	if (argc != 3)
		return 2;
	const struct vfio_member m = {.host = host_live(), .name = argv[1], .group = atoi(argv[2])};
	if (vfio_ioas_open(&vfio_type1, &ioas, &e) < 0 || vfio_ioas_attach(&ioas, &m, &d, &e) < 0) {
		(void)fprintf(stderr, "vfio_hold: %s (%s)\n", e.msg, e.hint);
		return 1;
	}
	(void)puts("held");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
