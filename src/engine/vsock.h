/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_VSOCK_H
#define ENGINE_VSOCK_H

#include "engine/spec.h"

struct err;

/*
 * Sockets between programs of the guest and of the host (vhost-vsock). The guest's address, its
 * CID, follows from its name unless the user gives one, so that it is the same at each start.
 */
#define VSOCK_CID_MIN 3 /* those below are the host's. Ref: linux/vm_sockets.h */
#define VSOCK_CID_MAX (UINT32_MAX - 1)

/* "--vsock", or "--vsock=CID". Return: 0, -EINVAL. */
int vsock_parse(struct guest_spec *s, const char *text, struct err *e);

/* When the guest has its name: adds the device, if one was asked for. Return: 0, -E2BIG. */
int vsock_add(struct guest_spec *s, struct err *e);

/* Whether this host has what @s asks for. Return: 0, -ENODEV, -EACCES. */
int vsock_check(const struct guest_spec *s, struct err *e);

/* Opens it and reserves @cid. Return: descriptor; -EADDRINUSE another guest has it; -errno. */
int vsock_open(uint64_t cid, struct err *e);

#endif
