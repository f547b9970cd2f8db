/* SPDX-License-Identifier: MIT */
#ifndef BIND_BUSY_H
#define BIND_BUSY_H

#include "bind/bind.h"

struct host;
struct pci_bar;

#define BIND_BUSY_NAME 40

/*
 * Finds in @iomem (/proc/iomem) what keeps the host from mapping @b once @m is with a VFIO driver.
 * A boot framebuffer counts unless m->framebuffer names it. Return: whether; its name, unescaped.
 */
bool bind_busy_find(const char *iomem, const struct pci_bar *b, const struct bind_member *m,
	char ret_name[BIND_BUSY_NAME]);

/*
 * Warns of each BAR that the host will refuse to map. vfio-pci maps a BAR only if it can request
 * its memory, and what something else than the device's driver has requested there stays: ramoops
 * in the memory of a display, a boot framebuffer that is not unbound, a range of the firmware.
 * usher-vmm then traps each access to the BAR, and QEMU does so too.
 *
 * /proc/iomem shows addresses to root only: others plan without it. Return: 0, -ENOMEM.
 */
int bind_busy_check(struct host *h, const struct bind_request *q, struct bind_plan *p);

#endif
