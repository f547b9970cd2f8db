/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CONNECT_H
#define DAEMON_CONNECT_H

#include "daemon/daemon.h"

/* Connect: the control socket of a guest of root, for who may use it (control/purpose.h). */
int connect_add_vtable(struct daemon *d);

#endif
