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

/* Tells the bus now what has changed so far: changes of drivers are collected otherwise. */
void hardware_tell(struct daemon *d);

/* Return: NULL if there is no such device. */
const struct pci_device *hardware_find(const struct daemon *d, const char *address);

/* The other members of the group of @p: "0000:01:00.1 0000:01:00.2". Bridges are left out. */
void hardware_members(const struct daemon *d, const struct pci_device *p, char *buf, size_t size);

/* Appends "a{oa{sv}}": all devices, with their properties. Return: 0, -errno. */
int hardware_append(const struct daemon *d, sd_bus_message *m);

int hardware_add_vtables(struct daemon *d);

#endif
