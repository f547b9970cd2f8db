/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_HOSTDEV_H
#define LIBVIRT_HOSTDEV_H

#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>

#define LIBVIRT_HOSTDEV_TEXT 256

/*
 * The element by which a domain gets a PCI device, as libvirt's schema has it; lines end in "\n".
 * @managed: libvirt binds the device to vfio-pci by itself. Return: @buf.
 */
const char *libvirt_hostdev_format(
	struct pci_address a, bool managed, char buf[LIBVIRT_HOSTDEV_TEXT]);

/*
 * Whether the XML of a domain can have a PCI device at all. Most domains have none, and need no
 * parser then.
 */
bool libvirt_hostdev_may_be(const char *text, size_t len);

#endif
