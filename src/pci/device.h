/* SPDX-License-Identifier: MIT */
#ifndef PCI_DEVICE_H
#define PCI_DEVICE_H

#include "pci/address.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct host;

#define PCI_NAME_MAX 64 /* driver names; the kernel's own limit is a module name's */
#define PCI_GROUP_NONE (-1) /* no IOMMU, or not in a group */

/*
 * One PCI function as sysfs tells it, without touching its configuration space: reading that
 * wakes a sleeping device (pci_config_pm_runtime_get() in the kernel).
 */
struct pci_device {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	uint16_t subvendor;
	uint16_t subdevice;
	uint32_t class; /* 24 bits: base class, subclass, programming interface */
	uint8_t revision;
	bool has_parent; /* false: on a root bus */
	struct pci_address parent; /* the function it is below: a port or bridge, or a VMD */
	bool is_bridge; /* header type 1 or 2: PCI(e)-to-PCI or CardBus bridge, class 06xx */
	int group; /* IOMMU group, PCI_GROUP_NONE */
	int numa_node; /* -1: none */
	char driver[PCI_NAME_MAX]; /* "" when none is bound */
	char driver_override[PCI_NAME_MAX]; /* "" when clear (sysfs says "(null)") */
	bool is_locked; /* somebody keeps its lock: @driver_override is not known */
	char reset_method[PCI_NAME_MAX]; /* "flr bus" in the kernel's order; "" when none */
};

/* "/sys/bus/pci/devices/ADDRESS/@attr". Return: 0, -ENAMETOOLONG. */
int pci_device_path(struct pci_address a, const char *attr, char *buf, size_t size);

/* Return: 0, -ENODEV with a sentence when there is no such device, -errno. */
int pci_device_read(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e);

/* The same but for driver_override, which is left "": reading that costs a process (pci/locked.h). */
int pci_device_peek(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e);

/*
 * All functions of the host in the order of their addresses; *@ret is the caller's to free().
 * Their driver_override is left "": many kernels show it under the device's lock, which a driver
 * that does not let go of its device keeps, so that reading it costs a process (pci/locked.h).
 */
int pci_device_list(struct host *h, struct pci_device **ret, size_t *ret_count, struct err *e);

/*
 * The functions that a folder names (an IOMMU group's, a driver's), each as by
 * pci_device_read(). Other names in it are passed over. @e is only set when a device could not
 * be read.
 */
int pci_device_list_in(struct host *h, const char *folder, struct pci_device **ret,
	size_t *ret_count, struct err *e);

#endif
