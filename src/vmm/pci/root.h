/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_ROOT_H
#define VMM_PCI_ROOT_H

#include "vmm/bus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct vm;

/*
 * The guest's PCI Express hierarchy: a host bridge, a root port for each device, and ECAM. All
 * software sees functions through configuration space alone: vmm/pci/firmware and the guest number
 * buses and size and place BARs by the same accesses.
 */
#define PCI_BUSES_MAX 64 /* ECAM is 1 MiB a bus */
#define PCI_CONFIG_SIZE 4096 /* PCI Express Base 7.2.2 */

struct lock;
struct pci_func;
struct pci_root;
struct root_port;

/* Context of all but fini: under the lock of the function, by any thread. */
struct pci_func_ops {
	const char *name;
	/* The bus has checked: size is 1, 2 or 4, off is aligned to it and lies in 4 KiB. */
	uint32_t (*config_read)(struct pci_func *f, unsigned off, unsigned size);
	void (*config_write)(struct pci_func *f, unsigned off, unsigned size, uint32_t value);
	/*
	 * Before a reset of a whole bus: makes the function unreachable, so that several functions
	 * can be reset together. NULL: nothing to do.
	 */
	void (*quiet)(struct pci_func *f);
	/* Guest-visible state as after power-on; no I/O in flight on return. */
	void (*reset)(struct pci_func *f);
	/*
	 * The card leaves its slot while the guest runs: releases the device. Until fini only reset
	 * is called. NULL: nothing to do.
	 */
	void (*eject)(struct pci_func *f);
	/* Whether fini need not wait for anything that may hang. NULL: it never waits. */
	bool (*is_idle)(struct pci_func *f);
	/* Frees everything; the function is not called again. Context: without a lock. */
	void (*fini)(struct pci_func *f);
};

struct pci_func {
	const struct pci_func_ops *ops;
	struct lock *lock; /* its owner's: LOCK_DEVICE, for a port or bridge LOCK_PORT */
	uint8_t slot; /* device number on its bus */
	uint8_t fn;
	struct pci_func *next; /* on the same bus */
	struct root_port *port; /* root port above, NULL on bus 0; set by pci_plug */
};

/* An address range that the machine gives to PCI. */
struct pci_window {
	uint64_t base;
	uint64_t size; /* [bytes], 0: none */
};

struct pci_windows {
	struct pci_window io; /* ports */
	struct pci_window mem32; /* below 4 GiB: 32-bit BARs, and all that are not prefetchable */
	struct pci_window mem64; /* above RAM: 64-bit prefetchable BARs */
};

/* The host bridge at 00:00.0, and configuration space at @ecam. Return: 0, -ENOMEM, -errno. */
int pci_init(struct vm *vm, const struct pci_window *ecam, struct err *e);

/* Resets the whole hierarchy, devices behind the ports included. */
void pci_reset(struct vm *vm);

/* Finishes all functions, the last plugged first. */
void pci_fini(struct vm *vm);

/* Adds a root port with an empty slot, before pci_seal(). Return: 0, -ENOSPC, -ENOMEM. */
int pci_add_port(struct vm *vm, struct err *e);

/* From now on no port is added, and the guest is notified of cards that are plugged. */
void pci_seal(struct vm *vm);

/*
 * Puts @f into the first empty slot, as device 0 of the bus behind its root port. Before pci_seal()
 * a port is added if no slot is empty. Functions of the card before are finished. @name is for
 * messages. @f stays its owner's until ops->fini. After pci_seal() the guest sees the card only
 * once pci_announce() is called. Return: 0; -EBUSY the card that was in the slot is not closed yet;
 * -ENOSPC no slot is empty; -ENOMEM.
 */
int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e);

/* Puts @f, whose `fn` is set, beside @first, which is plugged: another function of its card. */
void pci_plug_beside(struct pci_func *first, struct pci_func *f);

/* Completes the card of @f, all of whose functions are plugged, and notifies the guest. */
void pci_announce(struct pci_func *f);

/*
 * Sets the AtomicOps that the root port above @f completes: PCI_EXP_DEVCAP2_ATOMIC_COMP…. A driver
 * reads them before it lets its device use AtomicOps.
 */
void pci_port_atomics(struct pci_func *f, uint32_t bits);

/*
 * The next three take the lock of the port, and those of functions below. Context: without a
 * function's lock.
 *
 * Asks the guest to release the card of @f, by the attention button. The guest turns the power of
 * the slot off, after which the card leaves (ops->eject of each of its functions). If the power is
 * off already, the card leaves at once.
 */
void pci_request_unplug(struct pci_func *f);

/* Whether the guest has acknowledged the request and is releasing the card. */
bool pci_unplug_acknowledged(const struct pci_func *f);

/* Takes the card of @f out of its slot, whatever the guest does, and tells it. Twice is fine. */
void pci_unplug(struct pci_func *f);

/*
 * Accesses configuration space as the guest does. @off is aligned to @size, which is 1, 2 or 4.
 * Without a function there, a read is all-ones and a write is lost.
 */
uint32_t pci_config_read_at(
	struct pci_root *p, unsigned bus, unsigned devfn, unsigned off, unsigned size);
void pci_config_write_at(struct pci_root *p, unsigned bus, unsigned devfn, unsigned off,
	unsigned size, uint32_t value);

/*
 * IOAPIC pin that INTx @pin (1: A … 4: D) of a plugged function reaches, as _PRT tells the guest.
 */
int pci_intx_gsi(const struct pci_func *f, unsigned pin);

/* The same for a slot of bus 0. */
int pci_slot_gsi(unsigned slot, unsigned pin);

/* Return: how many slots of bus 0 are in use, from 0 on without gaps. */
unsigned pci_slots(const struct pci_root *p);

#endif
