/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_VSOCK_H
#define ENGINE_VSOCK_H

#include "engine/spec.h"

struct err;

/*
 * Sockets between programs of the guest and of the host. The guest's address, its CID, follows from
 * its name unless the user gives one, so that it is the same at each start. Where the host's kernel
 * does not serve them (vhost-vsock), usher-vmm does, and the host's ends are unix sockets
 * (vmm/virtio/vsock_socket.h).
 */
#define VSOCK_CID_MIN 3 /* those below are the host's. Ref: linux/vm_sockets.h */
#define VSOCK_CID_MAX (UINT32_MAX - 1)

/* "--vsock", or "--vsock=[CID][,socket[=PATH]]". Return: 0, -EINVAL. */
int vsock_parse(struct guest_spec *s, const char *text, struct err *e);

/* When the guest has its name: adds the device, if one was asked for. Return: 0, -E2BIG. */
int vsock_add(struct guest_spec *s, struct err *e);

/* Whether this host has what @s asks for. Return: 0, -ENODEV, -EACCES. */
int vsock_check(const struct guest_spec *s, struct err *e);

/* Where programs of the host connect. @run_dir: BIND_STATE_DIR. Return: 0, -ENAMETOOLONG. */
int vsock_path(const struct guest_spec *s, const char *run_dir, char *ret, size_t size);

/*
 * The host's ports, as the guest sees them: sockets NAME_PORT beside the path NAME. Their folder is
 * the one of the guest's start, so nobody puts another one in its place.
 */
struct vsock_ports {
	int folder; /* -1: none */
	char name[SPEC_SOCKET_MAX];
};

#define VSOCK_PORTS_NONE ((struct vsock_ports){.folder = -1})

void vsock_ports_close(struct vsock_ports *p);

/*
 * Listens at the path of @s. @ret: port_close() at the end, but for the descriptor. @ret_ports:
 * those beside it. Return: descriptor; -EADDRINUSE, -EEXIST somebody has the path; -errno.
 */
int vsock_listen(const struct guest_spec *s, const char *run_dir, struct port *ret,
	struct vsock_ports *ret_ports, struct err *e);

/*
 * Connects to port @port of the host, without a wait. A symbolic link in the place of a socket is
 * refused. Return: descriptor; -ENODEV there are no ports; -ELOOP; -errno of connect(2).
 */
int vsock_dial(const struct vsock_ports *p, uint32_t port);

/*
 * Opens /dev/vhost-vsock and reserves @cid. Return: descriptor; -EADDRINUSE another guest has it;
 * -errno.
 */
int vsock_open(uint64_t cid, struct err *e);

#endif
