/* SPDX-License-Identifier: MIT */
#ifndef BIND_OWNER_H
#define BIND_OWNER_H

#include "bind/env.h"

#include <stdbool.h>

/* Start time of a running process. Return: 0, -ESRCH if it has ended, -errno. */
int bind_owner_start(struct host *h, pid_t pid, uint64_t *ret);

/* True if the process with that id and start time still runs; false for pid 0. */
bool bind_owner_alive(struct host *h, pid_t pid, uint64_t start);

/* [A-Za-z0-9._+-], 1 to 63 of them, not "-" alone: driver, module and guest names. */
bool bind_name_ok(const char *name);

/*
 * Whether a driver's name may go into driver_override: VFIO's own and its variants, which all have
 * "vfio" in their names. An override bypasses the driver's table of ids, so any other driver could
 * get a device that it does not know; e1000e on an NVMe disk crashes the kernel.
 */
bool bind_name_is_vfio(const char *name);

/* "VM 'web' (process 812)", "a program of usher exec (process 812)", … Return: @buf. */
const char *bind_owner_format(const struct bind_owner *o, char *buf, size_t size);

#endif
