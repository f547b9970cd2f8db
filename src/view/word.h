/* SPDX-License-Identifier: MIT */
#ifndef VIEW_WORD_H
#define VIEW_WORD_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct host;

#define WORD_DEVICES_MAX 256

/* The PCI functions that a word of the command line means, by address. */
struct word_devices {
	size_t count;
	struct pci_address list[WORD_DEVICES_MAX];
	bool is_address; /* the word is an address, not a name */
	bool is_part; /* it names one of the things below a controller: a disk of several */
	char usb[32]; /* it names this device of a USB controller, "1-4"; "": none */
};

/*
 * Finds the devices that @word means:
 *
 *	0000:01:00.0, 01:00.0, 1:0.0	an address; without the function, all of the slot; also as
 *					lshw, libvirt and Xorg write it
 *	10de:2484			all devices of these ids
 *	eth0, nvme0n1, sda1, card1 …	a name of a class in sysfs; of what is made of several
 *					devices (md0, a logical volume, bond0), all of them
 *	/dev/…, /sys/…			a node, a link to one, a folder with nodes; a path in sysfs
 *
 * Return: 0, and at least one device; -EINVAL: the word is malformed; -ENODEV: there is no such
 * device, or it is not below PCI; -ENOMEM, -errno. @e has the sentence.
 */
int word_find(struct host *h, const char *word, struct word_devices *ret, struct err *e);

#endif
