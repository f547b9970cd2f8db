/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_ROOTPORT_H
#define VMM_PCI_ROOTPORT_H

#include "vmm/lock.h"
#include "vmm/pci/config.h"
#include "vmm/pci/root.h"
#include "vmm/pci/slot.h"

/*
 * A PCI Express root port: a type 1 header with windows for ports, memory and 64-bit prefetchable
 * memory, the PCI Express capability with a hot-plug slot, and MSI for the slot's events. No other
 * service (PME, AER).
 * Context: under the port's lock, but for root_port_route(). The port takes the locks of the
 * functions below, one after the other.
 */
struct root_port {
	struct pci_func func;
	struct lock lock;
	unsigned route; /* atomic: what root_port_route() tells */
	struct func_config regs;
	struct slot slot;
	uint32_t atomics; /* PCI_EXP_DEVCAP2_ATOMIC_COMP… */
	struct pci_func *below; /* functions on the secondary bus */
};

/* @bytes: PCI_CONFIG_SIZE of zeros, the caller's. @slot on bus 0 also numbers the link. */
void root_port_init(struct root_port *p, uint8_t slot, uint8_t *bytes);

/* AtomicOps that the port completes: PCI_EXP_DEVCAP2_ATOMIC_COMP…. */
void root_port_set_atomics(struct root_port *p, uint32_t bits);

/* Who sends the slot's messages; nobody does without. */
void root_port_set_sender(
	struct root_port *p, void (*send)(void *arg, uint64_t address, uint32_t data), void *arg);

/* Puts @f on the secondary bus, and so into the slot. */
void root_port_attach(struct root_port *p, struct pci_func *f);

/* Quiets all functions below (struct pci_func_ops). */
void root_port_quiet(struct root_port *p);

/*
 * Secondary bus as numbered by software, 0 while it is not; and ROOT_PORT_LINKED while there is a
 * card that can be reached. Context: any thread.
 */
#define ROOT_PORT_BUS 0xffU
#define ROOT_PORT_LINKED 0x100U
unsigned root_port_route(const struct root_port *p);

/* The host wants the card: the guest is asked to turn the slot's power off. */
void root_port_ask(struct root_port *p);

/* The card leaves, with all its functions (struct pci_func_ops: eject), whatever the guest does. */
void root_port_pull(struct root_port *p);

#endif
