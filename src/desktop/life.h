/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_LIFE_H
#define DESKTOP_LIFE_H

#include "pci/address.h"

struct host;

/*
 * Whether a guest drives a device that is lent to it. VFIO clears Bus Master Enable when it opens a
 * device, and only the guest sets it; the kernel counts the interrupts that VFIO passes on. A guest
 * that prints to its console and never starts the card shows no life: the screen is dark.
 * Return: what shows it, static; NULL: nothing yet.
 */
const char *desktop_life(struct host *h, struct pci_address a);

#endif
