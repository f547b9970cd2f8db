/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_LIFE_H
#define DESKTOP_LIFE_H

#include "pci/address.h"

#include <stdint.h>

struct host;

/*
 * Whether a guest drives a device that is lent to it. VFIO clears Bus Master Enable when it opens a
 * device, and only the guest sets it; the kernel counts the interrupts that VFIO passes on. A guest
 * that prints to its console and never starts the card shows no life: the screen is dark.
 * Return: what shows it, static; NULL: nothing yet.
 */
const char *desktop_life(struct host *h, struct pci_address a);

/*
 * What is due for the keeper of a guest without life, so long after it was asked to stop it. One
 * that hangs in the kernel does not die: the desktop comes back without it.
 */
#define DESKTOP_STOP_MS 60000 /* more than a keeper takes: it kills the guest after 10 s */
#define DESKTOP_KILL_MS 30000 /* after SIGKILL */
enum desktop_patience { DESKTOP_WAIT, DESKTOP_KILL, DESKTOP_ABANDON };
enum desktop_patience desktop_patience(int64_t waited_ms);

#endif
