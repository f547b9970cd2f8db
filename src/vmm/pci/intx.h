/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_INTX_H
#define VMM_PCI_INTX_H

#include "vmm/loop.h"

#include <stdbool.h>

struct err;
struct pci_func;
struct vm;

/*
 * The INTx line of an emulated function: level triggered, on an IOAPIC pin that it may share. A
 * signal of `trigger` raises the pin. At the guest's end of interrupt KVM lowers it and signals
 * `resample`; whoever still asserts its line then triggers again. So functions of any kind can
 * share a pin, be their lines driven from here or by VFIO.
 * Context: under the lock of the function.
 * Ref: KVM API, KVM_IRQFD_FLAG_RESAMPLE.
 */
struct func_intx {
	struct vm *vm;
	const struct pci_func *func;
	unsigned pin; /* 1: A … 4: D; 0: the function has none */
	bool attached; /* KVM listens to `trigger` */
	bool asserted; /* func_intx_set() */
	int trigger; /* eventfds; -1: there are too many descriptors */
	int resample;
	struct loop_source resampled; /* of func_intx_set() */
};

/* Makes the eventfds: not a processor's work. @f is plugged before the line is attached. */
void func_intx_init(struct func_intx *i, struct vm *vm, const struct pci_func *f, unsigned pin);
void func_intx_fini(struct func_intx *i);

/* Attaches the eventfds to the pin. Twice is fine. Return: 0, -errno. */
int func_intx_attach(struct func_intx *i, struct err *e);

/* Detaches them and forgets signals that wait. */
void func_intx_detach(struct func_intx *i);

/*
 * Sets the line of a function that is driven from here. The line is attached at its first
 * assertion. Return: 0, -errno: then it is not asserted.
 */
int func_intx_set(struct func_intx *i, bool asserted);

#endif
