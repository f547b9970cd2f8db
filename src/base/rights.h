/* SPDX-License-Identifier: MIT */
#ifndef BASE_RIGHTS_H
#define BASE_RIGHTS_H

#include <sys/types.h>

/*
 * They act on the calling thread, which is to be the only one. The kernel forgets the signal of
 * PR_SET_PDEATHSIG when a process changes its user: the caller sets it again.
 */

/*
 * Becomes the user @uid of the group @gid alone. Return: 0, -errno; it may have changed some ids.
 */
int rights_become(uid_t uid, gid_t gid);

/*
 * Drops all capabilities, and the way to get any: neither a file's capabilities nor set-user-ID
 * bring any back. The process cannot be traced, and dumps no core. Return: 0, -errno.
 */
int rights_drop(void);

/*
 * All three, but the process keeps the one capability @cap, also when it executes a program.
 * Return: 0, -errno; it may have lost some rights.
 */
int rights_reduce(uid_t uid, gid_t gid, unsigned cap);

/* Empties the set from which a file's capabilities are taken. Needs CAP_SETPCAP. */
int rights_unbound(void);

#endif
