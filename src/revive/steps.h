/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_STEPS_H
#define REVIVE_STEPS_H

#include "revive/plan.h"

/* Fills in the steps of a plan that has everything else. Return: 0, -ENOMEM, -ENAMETOOLONG. */
int revive_steps_add(struct host *h, struct revive_plan *p);

/* "/sys/class/pci_bus/0000:01/rescan", for the bus that the device is, or was, on. */
int revive_rescan_path(uint32_t domain, uint8_t bus, char *buf, size_t size);

#endif
