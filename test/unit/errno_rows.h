/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_ERRNO_ROWS_H
#define TEST_UNIT_ERRNO_ROWS_H

#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/group.h"

/*
 * What VFIO says to a step out of order or a bad argument, one line a row. Two back ends, one
 * table: test/unit/lib_errno.c asks the model in the library, test/live/lib_errno.c the kernel.
 */
struct errno_bench {
	struct vfio_container c; /* open, empty */
	struct vfio_group g; /* open, in no container */
	const char *name; /* of a PCI Express device with INTx, MSI-X and a reset */
	/* Opens the group once more. Return: 0, -errno. */
	int (*group)(struct errno_bench *b, struct vfio_group *ret);
	/* Told of each row. @found: what the call returned. */
	void (*row)(const char *text, int expected, int found);
};

/* Closes the container and the group that it was given. */
void errno_rows(struct errno_bench *b);

#endif
