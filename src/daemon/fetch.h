/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_FETCH_H
#define DAEMON_FETCH_H

#include "daemon/daemon.h"
#include "lease/borrow.h"

struct control_purpose;

/*
 * Fetches descriptors from a keeper: over usherd's own connection to it, or in a child, which may
 * wait for one that does not answer usherd. @done is called once,
 * later: with what the keeper has sent, which is closed afterwards, or with NULL and the reason.
 * Return: 0, -errno: @done is not called.
 */

/* Those of a lease. The child gets them if @user has the lease, or is root. */
int fetch_descriptors(struct daemon *d, const char *name, uid_t user,
	void (*done)(void *arg, const struct borrowed *b, const char *why), void *arg);

/* A connection to a guest's keeper that serves nothing but @purpose: @fd; -1 with the reason. */
int fetch_connection(struct daemon *d, const char *name, const struct control_purpose *purpose,
	void (*done)(void *arg, int fd, const char *why), void *arg);

#endif
