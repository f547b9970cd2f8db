/* SPDX-License-Identifier: MIT */
#ifndef BIND_OWNER_H
#define BIND_OWNER_H

#include "bind/env.h"

#include <stdbool.h>

/* Start time of a running process. Return: 0, -ESRCH if it has ended, -errno. */
int bind_owner_start(struct host *h, pid_t pid, uint64_t *ret);

/* True if the process with that id and start time still runs; false for pid 0. */
bool bind_owner_alive(struct host *h, pid_t pid, uint64_t start);

/*
 * The real user of a running process. Not the owner of /proc/PID: that is root for a process that
 * has changed its user, or is not dumpable. Return: 0, -ESRCH, -errno.
 */
int bind_owner_user(struct host *h, pid_t pid, uid_t *ret);

/*
 * Whether @user may send that process signals, as the kernel decides it for a user without rights:
 * by the process's real and saved user. False for one that has ended. Ref: kill(2)
 */
bool bind_owner_is_of(struct host *h, pid_t pid, uid_t user);

/* The PID namespace of this process, by its inode; 0: the first one, or a kernel without others. */
uint64_t bind_owner_space(struct host *h);

enum bind_owner_life {
	BIND_OWNER_GONE,
	BIND_OWNER_ALIVE,
	BIND_OWNER_ELSEWHERE, /* in another PID namespace, whether seen from here or not */
};

/* What has become of an owner. One that may run where this process cannot look is not gone. */
enum bind_owner_life bind_owner_look(struct host *h, const struct bind_owner *o);

/* [A-Za-z0-9._+-], 1 to 63 of them, not "-" alone: driver, module and guest names. */
bool bind_name_ok(const char *name);

/*
 * Whether a driver's name may go into driver_override: VFIO's own and its variants, which all have
 * "vfio" in their names. An override bypasses the driver's table of ids, so any other driver could
 * get a device that it does not know; e1000e on an NVMe disk crashes the kernel.
 */
bool bind_name_is_vfio(const char *name);

/*
 * The name of a libvirt domain as owners and the journal have it: printable ASCII as it is, any
 * other byte and the backslash as \xNN, so that no two names become one.
 * Return: 0, -EINVAL for "", -ENAMETOOLONG.
 */
int bind_owner_domain(const char *name, char ret[BIND_DOMAIN_MAX]);
/* True for what bind_owner_domain() makes. */
bool bind_owner_domain_ok(const char *text);

#define BIND_OWNER_LEASE "lease+" /* before the name of a lease: no guest's has a '+' */

/* True if both are the same process for the same domain; false for pid 0. */
bool bind_owner_equal(const struct bind_owner *a, const struct bind_owner *b);

/*
 * "VM 'web' (process 812)", "lease 'web' (process 812)", "domain 'web' of libvirt (process 812)",
 * "a program of usher exec (process 812)", … Return: @buf.
 */
const char *bind_owner_format(const struct bind_owner *o, char *buf, size_t size);

#endif
