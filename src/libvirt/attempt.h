/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_ATTEMPT_H
#define LIBVIRT_ATTEMPT_H

#include "libvirt/calls.h"

struct attempt;

/*
 * Connects to @uri again, and looks for the domain with that UUID, in a thread of its own:
 * libvirt's library waits for ever for a daemon that accepts a connection and is stuck. Both texts
 * have to live as long as the process. @ret_fd: readable when there is an outcome;
 * attempt_finish() closes it. Return: 0, -errno.
 */
int attempt_start(const char *uri, const char *uuid, struct attempt **ret, int *ret_fd);

/* Without a connection the daemon is not back; without a domain the guest is gone. */
struct attempt_outcome {
	virConnectPtr connection; /* NULL: none */
	virDomainPtr domain; /* NULL: that daemon does not know it */
};

/* Of an attempt whose descriptor is readable; frees it. */
struct attempt_outcome attempt_finish(struct attempt *a);

#endif
