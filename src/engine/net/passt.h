/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_NET_PASST_H
#define ENGINE_NET_PASST_H

#include "engine/spec.h"
#include "program/process.h"
#include "program/uid.h"

struct err;

/*
 * A user-mode network: passt answers the guest's frames as a router would, and makes ordinary
 * sockets of this host for its connections. It runs as a user of its own, and confines itself: an
 * empty root, no capabilities, a list of system calls. It ends with its socket.
 */
#define PASST "passt"

struct passt {
	struct process process; /* pid 0: none */
	struct uid_lease uid;
	const struct cgroup *cgroup; /* the guest's, whose limits hold for it too; NULL: ours */
	int ready; /* a pipe: it writes there once it serves */
	int words; /* a file: what it says, up to a page */
};

#define PASST_NONE \
	((struct passt){.process = {.pidfd = -1}, .uid = UID_LEASE_NONE, .ready = -1, .words = -1})

/*
 * Starts it for @n. @run_dir: BIND_STATE_DIR. The other end of its socket: a stream of frames, each
 * after its length (4 bytes, big-endian). Return: descriptor, -errno; passt_stop() in any case.
 */
int passt_start(struct passt *p, const struct guest_net *n, const char *run_dir, struct err *e);

/* Waits until it serves. Return: 0; -EIO it ended, with what it said; -ETIMEDOUT. */
int passt_await(struct passt *p, struct err *e);

void passt_stop(struct passt *p);

#endif
