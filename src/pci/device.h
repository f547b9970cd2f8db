/* SPDX-License-Identifier: MIT */
#ifndef PCI_DEVICE_H
#define PCI_DEVICE_H

#include "pci/address.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct host;

#define PCI_NAME_MAX 64 /* of driver names; the kernel limits them as module names */
#define PCI_GROUP_NONE (-1) /* no IOMMU, or not in a group */

/*
 * One PCI function as sysfs shows it. Its configuration space is not read: that would wake a
 * sleeping device (pci_config_pm_runtime_get() in the kernel).
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
	struct pci_address parent; /* the function above: a port, a bridge or a VMD */
	bool is_bridge; /* header type 1 or 2: PCI(e)-to-PCI or CardBus bridge, class 06xx */
	int group; /* IOMMU group, PCI_GROUP_NONE */
	int numa_node; /* -1: none */
	char driver[PCI_NAME_MAX]; /* "" when none is bound */
	char driver_override[PCI_NAME_MAX]; /* "" when clear (sysfs says "(null)") */
	bool seems_dead; /* by what the kernel remembers of it: see pci/alive.h */
	bool is_locked; /* the kernel holds its lock: @driver_override is unknown */
	char reset_method[PCI_NAME_MAX]; /* "flr bus" in the kernel's order; "" when none */
};

/* "/sys/bus/pci/devices/ADDRESS/@attr". Return: 0, -ENAMETOOLONG. */
int pci_device_path(struct pci_address a, const char *attr, char *buf, size_t size);

/* Return: 0, -ENODEV with a sentence when there is no such device, -errno. */
int pci_device_read(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e);

/* Leaves driver_override "": to read it takes a child process (host/locked.h). Return: the same. */
int pci_device_peek(struct host *h, struct pci_address a, struct pci_device *ret, struct err *e);

/*
 * Lists all functions of the host in the order of their addresses, each as by pci_device_peek().
 * The caller frees *@ret. Return: 0, -errno.
 */
int pci_device_list(struct host *h, struct pci_device **ret, size_t *ret_count, struct err *e);

/*
 * Lists the functions that a folder names (an IOMMU group's, a driver's), each as by
 * pci_device_read(). It skips other names. @e is set only if a device could not be read; the caller
 * frees *@ret. Return: 0, -errno.
 */
int pci_device_list_in(struct host *h, const char *folder, struct pci_device **ret,
	size_t *ret_count, struct err *e);

#endif
