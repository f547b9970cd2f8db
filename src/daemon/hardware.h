/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_HARDWARE_H
#define DAEMON_HARDWARE_H

#include "daemon/daemon.h"

/*
 * Devices, groups and the host as objects on the bus. The daemon reads all devices once, and again
 * when the kernel tells of a change.
 */

/* Reads them, and listens to the kernel. Return: 0, -errno. */
int hardware_watch(struct daemon *d);
void hardware_close(struct daemon *d);

/* Return: NULL if there is no such device. */
const struct pci_device *hardware_find(const struct daemon *d, const char *address);

int hardware_add_vtables(struct daemon *d);

#endif
