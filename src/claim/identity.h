/* SPDX-License-Identifier: MIT */
#ifndef CLAIM_IDENTITY_H
#define CLAIM_IDENTITY_H

#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct host;

#define CLAIM_PATH_MAX 160 /* a place, with the NUL */

/*
 * What identifies a device, also after a card was added. Bus numbers do not: the host assigns them
 * at each boot, in the order in which it finds bridges.
 */
struct claim_identity {
	/*
	 * Its place: "0000:00/01.0/00.0", the root bus, then device.function of each port above
	 * it, then its own. Behind a VMD a second root follows: "0000:00/0e.0/10000:e0/02.0/00.0".
	 */
	char path[CLAIM_PATH_MAX];
	uint16_t vendor;
	uint16_t device;
	uint16_t subvendor;
	uint16_t subdevice;
	bool has_serial;
	uint64_t serial; /* Device Serial Number. Ref: PCI Express Base 7.9.3 */
};

/*
 * The place of a device, from where sysfs has it. Return: 0, -ENODEV, -EINVAL for a device whose
 * folder does not tell it, -errno.
 */
int claim_path_read(struct host *h, struct pci_address a, char ret[CLAIM_PATH_MAX]);

/* Whether a text is a place as claim_path_read() writes it, in no other form. */
bool claim_path_ok(const char *path);

/*
 * The sysfs folders that a place may have, as a pattern for fnmatch(3) and udev: only the root
 * bus keeps its number. @path has to be claim_path_ok(). Return: 0, -ENAMETOOLONG.
 */
int claim_path_pattern(const char *path, char *buf, size_t size);

/*
 * The identity of a device. The serial number is left out where it cannot be read: it lies in
 * extended configuration space, which only root sees. Return: as claim_path_read().
 */
int claim_identity_read(
	struct host *h, const struct pci_device *d, struct claim_identity *ret, struct err *e);

/* Same ids, and the same serial number where both have one; the place does not count. */
bool claim_identity_same(const struct claim_identity *a, const struct claim_identity *b);

#endif
