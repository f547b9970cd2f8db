/* SPDX-License-Identifier: MIT */
#ifndef VMM_PORT_H
#define VMM_PORT_H

#include "vmm/pci.h"
#include "vmm/regs.h"
#include "vmm/slot.h"

/*
 * A PCI Express root port: a type 1 header with windows for ports, memory and 64-bit prefetchable
 * memory, the PCI Express capability with a hot-plug slot, and MSI for the slot's events. No other
 * service (PME, AER).
 * Context: under the VM's lock.
 */
struct port {
	struct pci_func func;
	struct regs regs;
	struct slot slot;
	uint32_t atomics; /* PCI_EXP_DEVCAP2_ATOMIC_COMP… */
	struct pci_func *below; /* functions on the secondary bus */
};

/* @bytes: PCI_CONFIG_SIZE of zeros, the caller's. @slot on bus 0 also numbers the link. */
void port_init(struct port *p, uint8_t slot, uint8_t *bytes);

/* AtomicOps that the port completes: PCI_EXP_DEVCAP2_ATOMIC_COMP…. */
void port_set_atomics(struct port *p, uint32_t bits);

/* Who sends the slot's messages; nobody does without. */
void port_set_sender(
	struct port *p, void (*send)(void *arg, uint64_t address, uint32_t data), void *arg);

/* Puts @f on the secondary bus, and so into the slot. */
void port_attach(struct port *p, struct pci_func *f);

/* Quiets all functions below (struct pci_func_ops). */
void port_quiet(struct port *p);

/* Secondary bus as numbered by software, 0 while it is not. */
uint8_t port_secondary(const struct port *p);

/* The host wants the card: the guest is asked to turn the slot's power off. */
void port_ask(struct port *p);

/* The card leaves, with all its functions (struct pci_func_ops: eject), whatever the guest does. */
void port_pull(struct port *p);

#endif
