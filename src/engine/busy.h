/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BUSY_H
#define ENGINE_BUSY_H

#include "bind/bind.h"

struct host;

/*
 * Warns of each BAR that the host will refuse to map. vfio-pci maps a BAR only if it can request
 * its memory, and what something else than the device's driver has requested there stays: ramoops
 * in the memory of a display, a boot framebuffer that is not unbound, a range of the firmware.
 * usher-vmm then traps each access to the BAR, and QEMU does so too.
 *
 * /proc/iomem shows addresses to root only: others plan without it. Return: 0, -ENOMEM.
 */
int busy_check(struct host *h, const struct bind_request *q, struct bind_plan *p);

#endif
