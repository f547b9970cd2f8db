/* SPDX-License-Identifier: MIT */
#ifndef LEASE_LEASE_H
#define LEASE_LEASE_H

#include "bind/bind.h"
#include "engine/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A lease: devices that a keeper process holds for a borrower, who drives them by descriptors.
 * The borrower is a process, or whoever has the lease's key, which is its name.
 */
#define LEASE_LOG "/var/log/usher/leases" /* who had what; lease/audit.h */
#define LEASE_KEY_USER_MAX 36 /* [bytes] of a user's key: "4294967295+" is before it in the name */
#define LEASE_TIMEOUT_S 10 /* how long a borrower may take to let go when asked */

struct lease {
	struct bind_env env;
	const struct guest_spec *spec; /* its name and its devices */
	const char *const *allow;
	size_t allow_count;
	pid_t owner; /* 0: it is held by its key */
	uint64_t owner_start; /* start time, by which two processes of one id differ */
	uid_t user; /* the borrower's: whose processes the keeper may end */
	uint64_t for_s; /* it expires after so many seconds; 0: never */
	uint64_t memlock; /* [bytes] what the owner may lock meanwhile; 0: what it may already */
	const char *log; /* path; NULL: nothing is logged */
};

/* Why a lease ends. */
enum lease_end {
	LEASE_RUNS,
	LEASE_END_OWNER, /* its process has ended */
	LEASE_END_RETURNED, /* the borrower gave it back */
	LEASE_END_REVOKED,
	LEASE_END_EXPIRED,
	LEASE_END_STOPPED, /* a signal to the keeper */
};

/* "owner-ended", "returned", "revoked", "expired", "stopped"; "" for a lease that runs. */
const char *lease_end_name(enum lease_end why);

#endif
