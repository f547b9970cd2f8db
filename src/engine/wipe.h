/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_WIPE_H
#define ENGINE_WIPE_H

#include "engine/spec.h"

struct host;
struct open_devices;

/*
 * The reset of devices whose program is gone, before the host gets them back. The kernel does one
 * of its own at the last close, but tells nobody whether it worked, and takes a cycle through D3
 * for one, though that leaves much of many devices as it was.
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
 * Of each device of @d, whose groups and container are open: bus mastering off, then a function
 * level reset or another one of the function's own; where it has none but the cycle through D3, a
 * reset of the whole bus if every group on it is in @d. Others that have a device open (an
 * accomplice that got the descriptor) keep none of what they set up.
 */
void devices_wipe(struct host *h, struct open_devices *d, struct wipe *ret);

/*
 * Resets the bus of one device of @d, for a guest that still has it open, with all that is on it.
 * Return: 0; -EPERM the device, or the group of a function there, is not in @d; -errno.
 */
int devices_reset_bus(struct open_devices *d, struct pci_address address, struct err *e);

/* Only those that were not reset. Return: how many, in @ret with room for SPEC_DEVICES_MAX. */
size_t wipe_failed(const struct wipe *w, struct pci_address *ret);

#endif
