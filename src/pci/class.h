/* SPDX-License-Identifier: MIT */
#ifndef PCI_CLASS_H
#define PCI_CLASS_H

#include <stdint.h>

/*
 * Names a 24-bit class code: by the interface where that has a name ("NVM Express controller"),
 * else by the subclass, else by the base class, else "unknown device".
 * Ref: PCI Code and ID Assignment Specification 1.15, section 1.
 */
const char *pci_class_name(uint32_t class);

#endif
