/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_PORT_H
#define REVIVE_PORT_H

#include "pci/device.h"

#include <stdbool.h>

#define REVIVE_SLOT_MAX 64

/* What a slot says about its card. Ref: PCI Express Base 7.5.3.11, Presence Detect State. */
enum revive_presence {
	REVIVE_PRESENCE_UNKNOWN, /* no slot, or a slot that does not detect cards */
	REVIVE_PRESENCE_EMPTY,
	REVIVE_PRESENCE_CARD,
};

/* A bridge that still answers, above the device that does not. */
struct revive_port {
	struct pci_address address;
	uint8_t secondary; /* number of the bus behind it */
	char slot[REVIVE_SLOT_MAX]; /* below /sys/bus/pci/slots, with a power switch; "": none */
	bool slot_on;
	bool has_link; /* it begins a PCI Express link: a root port, or a downstream port */
	uint16_t control_at; /* offset of its Link Control register */
	uint16_t control; /* value of that */
	uint16_t status; /* of Link Status */
	uint8_t speed_max, width_max; /* as in struct pci_express */
	enum revive_presence presence;
};

/* Buses behind a bridge; a range of 0 to 0 for what is not numbered. Return: 0, -errno. */
int revive_port_buses(
	struct host *h, struct pci_address bridge, uint8_t *ret_secondary, uint8_t *ret_last);

/*
 * The bridge that leads to bus @a.bus: the one whose secondary bus it is, else the one closest to
 * it. Return: 0, -ENOENT.
 */
int revive_port_leading_to(struct host *h, const struct pci_device *all, size_t count,
	struct pci_address a, struct pci_address *ret);

/* Reads the registers and the slot of a port. @a: the device whose slot is looked for. */
void revive_port_read(
	struct host *h, struct pci_address port, struct pci_address a, struct revive_port *ret);

/* The registers alone: link and presence. */
void revive_port_read_link(struct host *h, struct revive_port *p);

#endif
