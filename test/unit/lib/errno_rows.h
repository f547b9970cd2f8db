/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_ERRNO_ROWS_H
#define TEST_UNIT_ERRNO_ROWS_H

#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/group.h"

/*
 * What VFIO answers to a call out of order or a bad argument, one line a row. Two kernels, one
 * table: test/unit/lib/errno.c asks the model in the library, behind the system calls of
 * test/unit/vfio/model_kernel.h; test/live/lib_errno.c asks the kernel.
 *
 * What the table leaves out, and why:
 * - a group that is not viable (EPERM), VF tokens, DMA to nowhere, unbinding while a device is
 *   open: a model has no host with drivers, PFs and an IOMMU that reports (groups.sh, lib_token,
 *   lib_device request);
 * - MAP_PRIVATE: struct vfio_dev_ops cannot request it (test/live/lib_errno.c);
 * - the MSI-X table with memory off: no model has one in a BAR (test/live/lib_device.c);
 * - fewer vectors than requested, a number > 0: the emulated host has enough of them
 *   (test/unit/lib/device.c: "vectors=");
 * - HOT_RESET_INFO of a root bus: the emulated host uses that bus (test/unit/lib/reset.c);
 * - no interrupt remapping (EPERM): every IOMMU of the emulated host remaps;
 * - type 1 v1, which unmaps by other rules: usher uses v2 only;
 * - iommufd and cdev, for which there is no back end (test/unit/vfio/iommufd_shape.h).
 */
struct errno_bench {
	struct vfio_container c; /* open, empty */
	struct vfio_group g; /* open, in no container */
	const char *name; /* of a PCI Express device with INTx, MSI-X and a reset */
	unsigned entries; /* the limit of mappings in a container */
	/*
	 * A function with MSI and no reset of its own; its bus, with another function, can be
	 * reset.
	 */
	struct vfio_dev other;
	int other_groups[2]; /* descriptors: the groups on that bus */
	unsigned other_group_count;
	/* Opens the group once more. Return: 0, -errno. */
	int (*group)(struct errno_bench *b, struct vfio_group *ret);
	/* Called for each row. @found: what the call returned. */
	void (*row)(const char *text, int expected, int found);
};

/* Closes the container and the group of the bench. */
void errno_rows(struct errno_bench *b);

#endif
