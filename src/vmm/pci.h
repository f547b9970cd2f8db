/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include "vmm/bus.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * The guest's PCI Express hierarchy: a host bridge, a root port for each device, ECAM over the
 * whole of it. A function is known by its configuration space alone: buses are numbered, BARs
 * sized and placed through config accesses, by vmm/firmware as a firmware would and by the guest
 * as it likes.
 */
#define PCI_BUSES_MAX 64 /* ECAM is 1 MiB a bus */
#define PCI_CONFIG_SIZE 4096 /* PCI Express Base 7.2.2 */

struct pci_func;

struct pci_func_ops {
	const char *name;
	/*
	 * The bus has checked: size is 1, 2 or 4, off is aligned to it and lies in 4 KiB.
	 * Context: under the VM's lock.
	 */
	uint32_t (*config_read)(struct pci_func *f, unsigned off, unsigned size);
	void (*config_write)(struct pci_func *f, unsigned off, unsigned size, uint32_t value);
	/* Guest-visible state as after power-on; no I/O in flight on return. */
	void (*reset)(struct pci_func *f);
	/* Lets go of everything; the function is not called again. */
	void (*fini)(struct pci_func *f);
};

struct pci_func {
	const struct pci_func_ops *ops;
	uint8_t slot; /* device number on its bus */
	uint8_t fn;
	struct pci_func *next; /* on the same bus */
};

/*
 * Puts @f on a bus of its own behind a new root port, as slot 0. @name: for messages.
 * The function stays its owner's until ops->fini. Return: 0, -ENOSPC.
 */
int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e);

/* IOAPIC pin that INTx @pin (1: A … 4: D) of a plugged function reaches, as _PRT tells the guest. */
int pci_intx_gsi(const struct pci_func *f, unsigned pin);

#endif
