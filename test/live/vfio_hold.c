/* SPDX-License-Identifier: MIT */
/* vfio_hold ADDRESS GROUP: opens a device that is on vfio-pci, says "held", and keeps it. */
#include "base/err.h"
#include "host/host.h"
#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct vfio_container c = VFIO_CONTAINER_NONE;
	struct vfio_group g = VFIO_GROUP_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;
	struct err e = {0};

	if (argc != 3)
		return 2;
	if (vfio_container_open(&c, &e) < 0 ||
		vfio_group_open(host_live(), atoi(argv[2]), &g, &e) < 0 ||
		vfio_group_set_container(&g, &c, host_live(), &e) < 0 ||
		vfio_container_set_iommu(&c, &e) < 0 || vfio_dev_open(&g, argv[1], &d, &e) < 0) {
		(void)fprintf(stderr, "vfio_hold: %s (%s)\n", e.msg, e.hint);
		return 1;
	}
	(void)puts("held");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
