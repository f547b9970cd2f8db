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

/* Which members are on which driver of the host. Return: -EPERM. */
int vfio_explain_not_viable(struct host *h, int group, struct err *e);

#endif
