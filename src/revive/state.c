/* SPDX-License-Identifier: MIT */
#include "revive/state.h"

#include "host/host.h"
#include "pci/alive.h"
#include "pci/blank.h"

#include <errno.h>

enum revive_state revive_state_read(struct host *h, struct pci_address a, struct pci_device *ret)
{
	struct pci_device d = {.address = a};

	/* First, because the kernel learns its power state from this. */
	int r = pci_device_is_dead(h, &d);
	if (pci_device_read(h, a, ret, NULL) < 0)
		return REVIVE_GONE;
	if (r == 1 || r == -ETIMEDOUT || ret->seems_dead)
		return REVIVE_DEAD;
	return pci_device_is_blank(h, a) ? REVIVE_BLANK : REVIVE_ANSWERS;
}

const char *revive_state_name(enum revive_state s)
{
	static const char *const names[] = {
		[REVIVE_ANSWERS] = "answers",
		[REVIVE_BLANK] = "blank",
		[REVIVE_DEAD] = "dead",
		[REVIVE_GONE] = "gone",
	};

	return names[s];
}
