/* SPDX-License-Identifier: MIT */
#ifndef PCI_CLASS_H
#define PCI_CLASS_H

#include <stdint.h>

/*
 * What a 24-bit class code says in words: the interface where it has a name of its own ("NVM
 * Express controller"), else the subclass, else the base class; "unknown device" at last.
 * Ref: PCI Code and ID Assignment Specification 1.15, section 1.
 */
const char *pci_class_name(uint32_t class);

#endif
