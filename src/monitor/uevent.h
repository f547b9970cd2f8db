/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_UEVENT_H
#define MONITOR_UEVENT_H

#include "pci/address.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * What the kernel says of a PCI function. The kernel's own multicast group, not udev's: that one is
 * silent without udevd, and usher reads sysfs, where udev's rules change nothing.
 */
enum uevent_action {
	UEVENT_OTHER,
	UEVENT_ADD,
	UEVENT_REMOVE,
	UEVENT_BIND,
	UEVENT_UNBIND,
};

struct uevent {
	enum uevent_action action;
	struct pci_address address;
	char driver[PCI_NAME_MAX]; /* "" none */
	char recovery[32]; /* of PCI Express errors: "FAILED_RECOVERY"; "" */
};

#define UEVENT_MAX 8192 /* [bytes] of one message */

/* Return: a socket that does not block, -errno. */
int uevent_open(void);

/*
 * Parses "bind@/devices/…\0ACTION=bind\0…\0SUBSYSTEM=pci\0…". Return: whether it is an event of a
 * PCI function.
 */
bool uevent_parse(const char *text, size_t len, struct uevent *ret);

/*
 * The next event of a PCI function that waits. Other processes may send to the socket as well: only
 * the kernel's messages count.
 * Return: 1; 0 none waits; -ENOBUFS the kernel has dropped some; -errno.
 */
int uevent_next(int fd, struct uevent *ret);

#endif
