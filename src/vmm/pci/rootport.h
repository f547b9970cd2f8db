/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_ROOTPORT_H
#define VMM_PCI_ROOTPORT_H

#include "vmm/lock.h"
#include "vmm/pci/config.h"
#include "vmm/pci/link.h"
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
	struct pcie_link link; /* of the card, or of the last one */
	uint32_t atomics; /* PCI_EXP_DEVCAP2_ATOMIC_COMP… */
	struct pci_func *below; /* functions on the secondary bus */
	bool taken; /* for a card that is not in the slot yet */
	unsigned pins; /* accesses that are under way to functions below */
};

/* @bytes: PCI_CONFIG_SIZE of zeros, the caller's. @slot on bus 0 also numbers the link. */
void root_port_init(struct root_port *p, uint8_t slot, uint8_t *bytes);

/* Sets the AtomicOps that the port completes: PCI_EXP_DEVCAP2_ATOMIC_COMP…. */
void root_port_set_atomics(struct root_port *p, uint32_t bits);

/* Sets the function that sends the slot's messages; without one, none is sent. */
void root_port_set_sender(
	struct root_port *p, void (*send)(void *arg, uint64_t address, uint32_t data), void *arg);

/*
 * The next four take the port's lock. Context: without a lock.
 *
 * Reserves the empty slot for a card, and finishes the functions of the card before.
 * Return: 0; -ENOSPC the slot is not empty, or is reserved; -EBUSY those functions are not idle yet
 * (struct pci_func_ops).
 */
int root_port_take_slot(struct root_port *p);

/* Puts @f on the secondary bus; the guest reaches it once the card is in the slot. */
void root_port_attach(struct root_port *p, struct pci_func *f);

/* Puts the card into the slot: before the guest runs, or while it runs, with an event. */
void root_port_fill(struct root_port *p);
void root_port_insert(struct root_port *p);

/* Quiets all functions below (struct pci_func_ops). */
void root_port_quiet(struct root_port *p);

/*
 * Return: the number of the secondary bus as software set it, 0 before; with ROOT_PORT_LINKED while
 * the functions below can be reached. Context: any thread.
 */
#define ROOT_PORT_BUS 0xffU
#define ROOT_PORT_LINKED 0x100U
unsigned root_port_route(const struct root_port *p);

/* Asks the guest to turn the slot's power off, by the attention button. */
void root_port_request_unplug(struct root_port *p);

/* Ejects all functions of the card (struct pci_func_ops) and empties the slot. */
void root_port_unplug(struct root_port *p);

#endif
