/* SPDX-License-Identifier: MIT */
#ifndef BIND_RESET_H
#define BIND_RESET_H

#include "pci/device.h"

#include <stdbool.h>

/*
 * Whether what a guest left in @d can be wiped before the host gets it back: the function has a
 * reset of its own, or VFIO can reset its whole bus, which it does at the last close when every
 * function there is on a VFIO driver (vfio_pci_dev_set_try_reset()). @taken: those functions.
 */
bool bind_reset_works(struct host *h, const struct pci_device *d, const struct pci_address *taken,
	size_t taken_count);

#endif
