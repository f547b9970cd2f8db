/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_STATE_H
#define REVIVE_STATE_H

#include "pci/device.h"

enum revive_state {
	REVIVE_ANSWERS,
	REVIVE_BLANK, /* it answers, but its registers are as after power-on: it lost its power */
	REVIVE_DEAD, /* in sysfs, but its registers read as all ones */
	REVIVE_GONE, /* not in sysfs */
};

/* Whether a device answers now, which wakes it. @ret: as found, unless it is gone. */
enum revive_state revive_state_read(struct host *h, struct pci_address a, struct pci_device *ret);

/* "answers", "blank", "dead", "gone". */
const char *revive_state_name(enum revive_state s);

#endif
