/* SPDX-License-Identifier: MIT */
#ifndef VFIO_EXPLAIN_H
#define VFIO_EXPLAIN_H

#include <sys/types.h>

struct err;
struct host;

/*
 * What the host knows about a bare errno of VFIO. @h may be NULL: then the sentence is shorter.
 */

/* Who has the group's node (@rdev, 0 unknown) open. Return: -EBUSY. */
int vfio_explain_busy(struct host *h, int group, dev_t rdev, struct err *e);

/*
 * Why the group does not have the device; a variant of vfio-pci, or what cannot be told, leaves the
 * sentence that there is. Return: -ENODEV.
 */
int vfio_explain_absent(struct host *h, const char *address, struct err *e);

/* Which members are on which driver of the host. Return: -EPERM. */
int vfio_explain_not_viable(struct host *h, int group, struct err *e);

#endif
