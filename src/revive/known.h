/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_KNOWN_H
#define REVIVE_KNOWN_H

#include "bind/env.h"
#include "pci/device.h"

#include <stdbool.h>

/* Which device was at an address, for one that does not tell any more. */
struct revive_known {
	bool has_id; /* false: nothing is known of a device there */
	uint16_t vendor;
	uint16_t device;
	char driver[PCI_NAME_MAX]; /* "": none, or unknown */
	char source[192]; /* "the journal of group 12", "the kernel log", … */
	bool has_port; /* a snapshot shows where it was */
	struct pci_address port;
};

/*
 * Asks, in this order: @before (a snapshot of this host, or NULL), the journal, the claims in the
 * folder @claims (NULL: none), the kernel log. Return: 0, -ENOMEM, -errno.
 */
int revive_known_find(const struct bind_env *env, struct pci_address a, struct host *before,
	const char *claims, struct revive_known *ret, struct err *e);

#endif
