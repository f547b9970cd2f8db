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
 * The guest's PCI Express hierarchy: a host bridge, a root port for each device, ECAM over the
 * whole of it. A function is known by its configuration space alone: buses are numbered, BARs
 * sized and placed through config accesses, by vmm/firmware as a firmware would and by the guest
 * as it likes.
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
	 * Before a reset of all that is on a bus: lets nobody reach the function any more, so that
	 * several can be reset together. NULL: nothing to do.
	 */
	void (*quiet)(struct pci_func *f);
	/* Guest-visible state as after power-on; no I/O in flight on return. */
	void (*reset)(struct pci_func *f);
	/*
	 * The card leaves its slot while the guest runs: lets go of the device; until fini nobody
	 * reaches the function any more but by reset. NULL: nothing to do.
	 */
	void (*eject)(struct pci_func *f);
	/* Lets go of everything; the function is not called again. Context: without a lock. */
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

/* The whole hierarchy as after power-on, devices behind the ports included. */
void pci_reset(struct vm *vm);

/* Lets go of all functions, the last plugged first. */
void pci_fini(struct vm *vm);

/*
 * Puts @f on a bus of its own behind a new root port, as slot 0. @name: for messages.
 * The function stays its owner's until ops->fini. Return: 0, -ENOSPC.
 */
int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e);

/* Puts @f, whose `fn` is set, beside @first, which is plugged: another function of its device. */
void pci_plug_beside(struct pci_func *first, struct pci_func *f);

/*
 * The root port above @f completes these AtomicOps: PCI_EXP_DEVCAP2_ATOMIC_COMP…. A driver turns
 * on what its device may ask for by what the port says.
 */
void pci_port_atomics(struct pci_func *f, uint32_t bits);

/*
 * The next three take the lock of the port, and those of functions below. Context: without a
 * function's lock.
 *
 * Asks the guest to let go of the card that @f is a function of: it turns the power of the slot
 * off, after which the card leaves (ops->eject of each of its functions). At once, if the power is
 * off.
 */
void pci_ask(struct pci_func *f);

/* Whether the guest has heard, and is about to. */
bool pci_answers(const struct pci_func *f);

/* Takes the card that @f is a function of out of its slot, and tells the guest. Twice is fine. */
void pci_pull(struct pci_func *f);

/*
 * Configuration access as the guest does it. @off is aligned to @size, which is 1, 2 or 4.
 * Nobody there: all-ones, or a lost write.
 */
uint32_t pci_config_read_at(
	struct pci_root *p, unsigned bus, unsigned devfn, unsigned off, unsigned size);
void pci_config_write_at(struct pci_root *p, unsigned bus, unsigned devfn, unsigned off,
	unsigned size, uint32_t value);

/* IOAPIC pin that INTx @pin (1: A … 4: D) of a plugged function reaches, as _PRT tells the guest. */
int pci_intx_gsi(const struct pci_func *f, unsigned pin);

/* The same for a slot of bus 0. */
int pci_slot_gsi(unsigned slot, unsigned pin);

/* How many slots of bus 0 are in use; they are dense from 0. */
unsigned pci_slots(const struct pci_root *p);

#endif
