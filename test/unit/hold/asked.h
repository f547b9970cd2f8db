/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_HOLD_ASKED_H
#define TEST_UNIT_HOLD_ASKED_H

#include "hold/hold.h"
#include "pci/device.h"

/* The device in question, 0000:02:00.0, and a root port above it, 0000:00:06.0. */
#define BELOW "../../devices/pci0000:00/0000:00:06.0/0000:02:00.0"

/* Its disk, with one partition. */
#define DISK                                                                        \
	"link /sys/class/block/nvme0n1 " BELOW "/nvme/nvme0/nvme0n1\n"              \
	"link /sys/class/block/nvme0n1p1 " BELOW "/nvme/nvme0/nvme0n1/nvme0n1p1\n"  \
	"at /sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/nvme/nvme0/nvme0n1\n" \
	"file dev 259:0\nfile hidden 0\nfile nvme0n1p1/dev 259:1\nfile nvme0n1p1/partition 1\n"

/* An NVMe disk at that address. */
struct pci_device nvme_device(void);

/* All holds of a device, on the host that the snapshot's lines @text describe. */
struct holds holds_ask(const char *text, const struct pci_device *d);

/*
 * The only hold of the device on the host of @text, which must have one; hold_none(): it has none.
 */
struct hold hold_only(const char *text, const struct pci_device *d);
void hold_none(const char *text, const struct pci_device *d);

/* The same for nvme_device(). */
struct hold disk_only(const char *text);
void disk_none(const char *text);

void hold_is(const struct hold *o, const char *check, const char *object, const char *text);

#endif
