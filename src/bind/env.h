/* SPDX-License-Identifier: MIT */
#ifndef BIND_ENV_H
#define BIND_ENV_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct host;
struct bind_kernel_ops;

#define BIND_RULES_DIR "/run/udev/rules.d"
#define BIND_STATE_DIR "/run/usher" /* journal/ and lock/ live below it; void after a boot */
#define BIND_NAME_MAX 64 /* names of guests, with the NUL */

/* Where things are read and written. Tests stand in for the kernel with their own. */
struct bind_env {
	struct host *host; /* everything that is read: host_live() */
	const struct bind_kernel_ops *kernel; /* everything that is done: bind_kernel_ops_live() */
	const char *state; /* BIND_STATE_DIR */
	int timeout_ms; /* patience with one write that the kernel does not finish */
};

/* The machine usher runs on; never fails. */
struct bind_env bind_env_live(void);

/* Who has a group. A process id comes back to life as another: the start time tells them apart. */
struct bind_owner {
	pid_t pid; /* 0: nobody; the group is kept until it is released by hand */
	uint64_t start; /* [clock ticks since boot], /proc/PID/stat field 22 */
	char name[BIND_NAME_MAX]; /* of the guest; "" for none; [A-Za-z0-9._-] */
};

/* The calling process as owner of a lease for guest @name ("" or NULL: none). Return: 0, -errno. */
int bind_owner_self(const struct bind_env *env, const char *name, struct bind_owner *ret);

#endif
