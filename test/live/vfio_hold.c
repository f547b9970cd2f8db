/* SPDX-License-Identifier: MIT */
/* vfio_hold ADDRESS GROUP: opens a device that is on vfio-pci, prints "held", and keeps it open. */
#include "member.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct vfio_ioas ioas = VFIO_IOAS_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;

	int status = member_open("vfio_hold", argc, argv, &ioas, &d);
	if (status)
		return status;
	(void)puts("held");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
