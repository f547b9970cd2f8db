/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_IOAS_ROWS_H
#define TEST_UNIT_IOAS_ROWS_H

#include "vfio/ioas.h"

/*
 * The result of each verb of vfio/ioas.h and vfio/device.h, one line for each row. All back ends
 * pass the same table: test/unit/vfio/ioas.c checks the kernel's back end over models, the models
 * themselves, and one of iommufd's shape (iommufd_shape.h). test/live/lib_errno.c checks the
 * kernel.
 */
struct ioas_bench {
	const struct vfio_ioas_ops *ops;
	/* Two devices in groups of their own; @first has INTx, MSI-X, a reset and a BAR to map. */
	struct vfio_member first, second;
	/* Called for each row. @found: what the call returned. */
	void (*row)(const char *text, int expected, int found);
};

void ioas_rows(const struct ioas_bench *b);

#endif
