/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_FUNCTION_H
#define VMM_PASS_FUNCTION_H

#include "vmm/pci/root.h"

/* How a passed-through device answers on the guest's PCI bus; struct pass_dev.func. */
extern const struct pci_func_ops pass_func_ops;

#endif
