/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CALLS_H
#define ENGINE_CALLS_H

#include "engine/spec.h"
#include "engine/vsock.h"

#include <stddef.h>
#include <sys/types.h>

struct backends;
struct open_devices;

/*
 * The keeper's answers to usher-vmm (wire/call.h), which holds no VFIO group. A reset of a bus
 * takes up to a second, and with a broken device for ever: a process of its own does it, and lends
 * groups, so that the keeper can still stop the guest. usher-vmm may be its guest's by now: nothing
 * that it sends makes the keeper wait.
 */
struct calls {
	const struct backends *backends; /* that serve devices of the guest; NULL: none */
	struct vsock_ports sockets; /* that the guest connects to */
	int fd; /* our end of the socket; -1: the engine makes no calls */
	size_t helper_count;
	struct helper {
		pid_t pid;
		uint32_t id; /* of the call that it answers */
	} helpers[SPEC_DEVICES_MAX]; /* processes to reap */
};

#define CALLS_NONE ((struct calls){.fd = -1, .sockets = VSOCK_PORTS_NONE})

/*
 * [s] A file system that takes longer to find a socket of the host hangs. For tests alone it is a
 * variable.
 */
extern unsigned calls_dial_seconds;

/* Answers one call, when @c->fd can be read; closes @c->fd when the other end is closed. */
void calls_serve(struct calls *c, struct open_devices *d);

/*
 * A child of this process has ended: if it was to answer a call and did not exit in order, it may
 * have been killed before it could, and usher-vmm would wait for ever. Answers -EIO in its place.
 */
void calls_reap(struct calls *c);

void calls_close(struct calls *c);

#endif
