/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_FUNCTION_H
#define VMM_PASS_FUNCTION_H

#include "pci/address.h"
#include "vmm/pci/root.h"

struct pass_dev;
struct vm;

/* How a passed-through device answers on the guest's PCI bus; struct pass_dev.func. */
extern const struct pci_func_ops pass_func_ops;

/* An empty device with these ops; the caller opens @d->vfio. Return: NULL without memory. */
struct pass_dev *pass_func_new(struct vm *vm, struct pci_address address);

#endif
