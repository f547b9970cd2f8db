/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_WIPE_H
#define ENGINE_WIPE_H

#include "engine/spec.h"

struct host;
struct open_devices;

/*
 * Resets devices after their program has ended, before the host gets them back. The kernel resets
 * them too, at the last close, but does not report whether that worked. It also takes a cycle
 * through D3 for a reset, although that leaves much of many devices unchanged.
 */
struct wiped {
	struct pci_address address;
	int code; /* 0 it was reset; -errno */
	char text[256]; /* how: "flr", "its bus"; or why not */
};

struct wipe {
	size_t count;
	struct wiped devices[SPEC_DEVICES_MAX];
};

/*
 * For each device of @d, whose groups are open: turns bus mastering off, then uses a reset of the
 * function's own. If the function has only the cycle through D3, resets the whole bus, provided
 * that every group on it is in @d. A process that still has a device open (the program may have
 * passed the descriptor on) loses what it set up.
 */
void devices_wipe(struct host *h, struct open_devices *d, struct wipe *ret);

/*
 * Resets the bus of one device of @d, for a guest that still has it open, with all that is on it.
 * Return: 0; -EPERM the device, or the group of a function there, is not in @d; -errno.
 */
int devices_reset_bus(struct open_devices *d, struct pci_address address, struct err *e);

/* The devices that were not reset. @ret: room for SPEC_DEVICES_MAX. Return: how many. */
size_t wipe_failed(const struct wipe *w, struct pci_address *ret);

#endif
