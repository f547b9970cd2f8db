/* SPDX-License-Identifier: MIT */
#ifndef HOLD_HOLD_H
#define HOLD_HOLD_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;
struct pci_device;

/*
 * The in-use gate: who uses a device right now. The kernel unbinds a mounted disk without a
 * word, so somebody has to ask before.
 */
struct hold {
	const char *check; /* "block", "net", …: the name that --allow=CHECK lifts */
	char object[64];   /* "nvme0n1p1", "eth0" */
	char text[192];	   /* "mounted at /srv", "carries the route to 10.0.2.0/24": escaped */
	bool absolute;	   /* no --allow lifts it: the disk that / is on */
};

struct holds {
	size_t count;
	struct hold *list; /* freed by holds_fini() */
};

/*
 * Everything that holds @d, in a stable order. What cannot be told counts as held.
 * Return: 0, -ENOMEM, -errno.
 */
int hold_find(struct host *h, const struct pci_device *d, struct holds *ret, struct err *e);
void holds_fini(struct holds *h);

#endif
