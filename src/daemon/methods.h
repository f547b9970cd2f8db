/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_METHODS_H
#define DAEMON_METHODS_H

#include "daemon/daemon.h"

/* The object BUS_PATH: the methods that change something, and the version. Return: 0, -errno. */
int methods_add_vtable(struct daemon *d);

#endif
