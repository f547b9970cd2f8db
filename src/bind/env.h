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
/*
 * Names of domains, escaped, with the NUL: libvirt makes names of files of them, which have at most
 * 255 bytes, and each byte of another script than Latin becomes four characters.
 */
#define BIND_DOMAIN_MAX 1024

/* Where usher reads and writes. Tests replace the kernel with their own. */
struct bind_env {
	struct host *host; /* everything that is read */
	const struct bind_kernel_ops *kernel; /* everything that is changed */
	const char *state; /* BIND_STATE_DIR */
	int timeout_ms; /* how long usher waits for one write to sysfs */
};

/* The machine usher runs on; never fails. */
struct bind_env bind_env_live(void);

/* The owner of a group. Process ids are reused, so the start time tells two processes apart. */
struct bind_owner {
	pid_t pid; /* 0: bound manually, without an owner process */
	uint64_t start; /* [clock ticks since boot], /proc/PID/stat field 22 */
	char name[BIND_NAME_MAX]; /* of the guest; "" for none; [A-Za-z0-9._-] */
	char domain[BIND_DOMAIN_MAX]; /* of libvirt, by bind_owner_domain(); "" for none */
	uint64_t space; /* the PID namespace of `pid`, by its inode; 0: the first one */
};

/* The calling process as owner of a lease for guest @name ("" or NULL: none). Return: 0, -errno. */
int bind_owner_self(const struct bind_env *env, const char *name, struct bind_owner *ret);

#endif
