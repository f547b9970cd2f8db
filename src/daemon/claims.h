/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_CLAIMS_H
#define DAEMON_CLAIMS_H

#include "daemon/daemon.h"

#include <stdbool.h>

/*
 * Claims as objects on the bus: the files of /etc/usher/claims.d, and where the device of each is
 * now. They are read again when the folder changes, and when a device comes or goes.
 */

/* Reads them, and watches the folder. Return: 0, -errno. */
int claims_watch(struct daemon *d);
void claims_read(struct daemon *d);
void claims_close(struct daemon *d);

/* Where the device of claim @name is. @ret: PCI_ADDRESS_TEXT bytes. Return: false: nowhere. */
bool claims_device(const struct daemon *d, const char *name, char *ret);

int claims_add_vtables(struct daemon *d);

#endif
