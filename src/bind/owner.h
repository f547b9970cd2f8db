/* SPDX-License-Identifier: MIT */
#ifndef BIND_OWNER_H
#define BIND_OWNER_H

#include "bind/env.h"

#include <stdbool.h>

/* Start time of a living process. Return: 0, -ESRCH when it is gone or a zombie, -errno. */
int bind_owner_start(struct host *h, pid_t pid, uint64_t *ret);

/* Whether the process that @pid and @start name lives; pid 0 never does. */
bool bind_owner_alive(struct host *h, pid_t pid, uint64_t start);

/* [A-Za-z0-9._+-], 1 to 63 of them, not "-" alone: driver, module and guest names. */
bool bind_name_ok(const char *name);

/*
 * Whether a driver's name may go into driver_override: of VFIO's own or a variant, all of which
 * have "vfio" in their names. With an override a driver gets whatever device it is, which its table
 * of ids would never have let it near; e1000e on an NVMe disk takes the kernel with it.
 */
bool bind_name_is_vfio(const char *name);

/* "VM 'web' (process 812)", "a program of usher exec (process 812)", "process 812". Return: @buf. */
const char *bind_owner_format(const struct bind_owner *o, char *buf, size_t size);

#endif
