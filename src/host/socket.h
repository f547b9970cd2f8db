/* SPDX-License-Identifier: MIT */
#ifndef HOST_SOCKET_H
#define HOST_SOCKET_H

#include <stdint.h>

struct host;
struct host_holder;

/* host_socket() of the live machine, which @live is. */
int socket_holder(struct host *live, uint64_t inode, struct host_holder *ret);

#endif
