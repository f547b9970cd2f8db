/* SPDX-License-Identifier: MIT */
#ifndef VIEW_WORD_ADDRESS_H
#define VIEW_WORD_ADDRESS_H

#include "pci/address.h"

enum word_form {
	WORD_OTHER, /* neither an address nor ids */
	WORD_ADDRESS,
	WORD_SLOT, /* an address without its function */
	WORD_IDS,
	WORD_BROKEN, /* meant as an address or ids, and malformed */
};

/* What an operand looks like; @address is set for ADDRESS and SLOT, @ids for IDS. */
struct word_shape {
	enum word_form form;
	struct pci_address address;
	uint16_t ids[2];
};

/*
 * Reads an address as people and programs write it: 0000:01:00.0, 01:00.0, 1:0.0, 01:00 (a slot),
 * pci@0000:01:00.0 (lshw), pci-0000:01:00.0 (udev), pci_0000_01_00_0 (libvirt), PCI:1:0:0 (Xorg,
 * decimal); or ids as 10de:2484.
 */
struct word_shape word_shape(const char *word);

/*
 * The last PCI address in a path of sysfs: the function that what is there is below.
 * Return: what follows it, beginning with the slash; NULL if there is no address.
 */
const char *word_last_address(const char *path, struct pci_address *ret);

#endif
