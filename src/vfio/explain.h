/* SPDX-License-Identifier: MIT */
#ifndef VFIO_EXPLAIN_H
#define VFIO_EXPLAIN_H

#include <sys/types.h>

struct err;
struct host;

/*
 * Explains a bare errno of VFIO with facts of the host. @h: NULL makes a shorter message.
 */

/*
 * Names the process that has the group's node open. @rdev: of the node, 0 unknown. Return: -EBUSY.
 */
int vfio_explain_busy(struct host *h, int group, dev_t rdev, struct err *e);

/*
 * Says why the group does not have the device. Leaves @e as it is if the device is on vfio-pci or a
 * variant of it, or if its driver is unknown. Return: -ENODEV.
 */
int vfio_explain_absent(struct host *h, const char *address, struct err *e);

/* Names the members that are on a host driver. Return: -EPERM. */
int vfio_explain_not_viable(struct host *h, int group, struct err *e);

#endif
