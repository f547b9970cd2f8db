/* SPDX-License-Identifier: MIT */
#ifndef LEASE_HOLDERS_H
#define LEASE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host;
struct open_devices;

/*
 * Processes that have a lent device open. The borrower may have handed its descriptor on, and the
 * kernel lets no driver have a device that anybody has open.
 */
#define HOLDERS_MAX 16

struct holder {
	pid_t pid;
	char comm[17]; /* as in /proc/PID/comm, not escaped */
	bool unsure; /* it may have one: the kernel does not tell which */
};

struct holders {
	size_t count; /* also of those that the list has no room for */
	struct holder list[HOLDERS_MAX];
};

/* Every other process that has a device of @d open, by a descriptor of its own. */
void holders_find(struct host *h, const struct open_devices *d, struct holders *ret);

/*
 * Once the keeper has closed its own descriptors, and the kernel says that somebody still has a
 * device (devices_are_held()): every process that has mapped a device of VFIO without having it
 * open, or has descriptors in a socket that it has not received yet.
 */
void holders_guess(struct host *h, struct holders *ret);

/* Kills @owner, to whom the descriptors were given, if it is among them. @pidfd: it; -1: none. */
void holders_kill_owner(const struct holders *s, pid_t owner, int pidfd);

/*
 * Looks again, and kills those that belong to the borrower: processes of @user. Others stay,
 * because any process that takes descriptors from strangers could be made a holder, as the bus of
 * the host could. A borrower that is root may have passed its own on only by itself, so of root's
 * borrowers all are killed but the first process and the system's bus.
 */
void holders_kill(struct host *h, const struct open_devices *d, uid_t user);

/* "'cat' (process 812), …", escaped. Return: @buf. */
const char *holders_format(const struct holders *s, char *buf, size_t size);

#endif
