/* SPDX-License-Identifier: MIT */
#ifndef HOLD_STOP_H
#define HOLD_STOP_H

#include "hold/hold.h"

struct host;
struct pci_device;

/* What to stop before the driver of a device can give it up, in the order of the commands. */
enum hold_stop_kind {
	HOLD_STOP_GUEST,
	HOLD_STOP_PROGRAM,
	HOLD_STOP_CONTAINER,
	HOLD_STOP_SERVICE,
	HOLD_STOP_SOUND, /* the user's sound server */
	HOLD_STOP_DESKTOP, /* the graphical session */
	HOLD_STOP_DISK, /* mounts, swap, volumes */
	HOLD_STOP_CONSOLE, /* the kernel's text console */
	HOLD_STOP_MODULE, /* modules above the driver that keep it in use */
};

struct hold_stop {
	enum hold_stop_kind kind;
	size_t order; /* among those of the kind */
	char what[96]; /* "nvidia-persistenced.service (pid 812)": escaped */
	char command[160]; /* "systemctl stop nvidia-persistenced" */
};

#define HOLD_STOPS_MAX 16

/* "guest", "program", "container", … */
const char *hold_stop_kind_name(enum hold_stop_kind kind);

/*
 * Finds the steps for @holds of @d; each command once. A hold that no command frees, such as an
 * address, is not among them.
 * Return: how many.
 */
size_t hold_stops_read(struct host *h, const struct pci_device *d, const struct holds *holds,
	struct hold_stop ret[HOLD_STOPS_MAX]);

#endif
