/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_FETCH_H
#define DAEMON_FETCH_H

#include "daemon/daemon.h"
#include "lease/borrow.h"

/*
 * Fetches the descriptors of a lease from its keeper, by a child process, because a keeper may be
 * slow. Calls @done once, with the descriptors, which are closed afterwards; NULL: @why has the
 * reason. Return: 0, -errno.
 */
int fetch_descriptors(struct daemon *d, const char *name,
	void (*done)(void *arg, const struct borrowed *b, const char *why), void *arg);

#endif
