/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CLAIMS_H
#define DAEMON_CLAIMS_H

#include "daemon/daemon.h"

/*
 * Claims as objects on the bus: the files of /etc/usher/claims.d, and where the device of each is
 * now. They are read again when the folder changes, and when a device comes or goes.
 */

/* Reads them, and watches the folder. Return: 0, -errno. */
int claims_watch(struct daemon *d);
void claims_read(struct daemon *d);
void claims_close(struct daemon *d);

int claims_add_vtables(struct daemon *d);

#endif
