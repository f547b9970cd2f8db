/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_ENDPOINT_H
#define VMM_PCI_ENDPOINT_H

#include "vmm/lock.h"
#include "vmm/pci/bar.h"
#include "vmm/pci/config.h"
#include "vmm/pci/intx.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/root.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct endpoint;

/*
 * A PCI Express endpoint that is emulated as a whole: configuration space with the PCI Express
 * capability, BARs, MSI-X, INTx. A device adds its registers: read and write of trapped pieces,
 * doorbells, interrupts.
 *
 * Context: under `lock`, but for init, add and fini. An operation touches the endpoint's own state,
 * the arbiter (vmm/pci/space) and announced memory, nothing of other functions.
 */
struct endpoint_ops {
	const char *name;
	/* A register of BAR @bar, MSI-X's own excepted. @size: 1, 2, 4 or 8. NULL: all-ones. */
	uint64_t (*read)(struct endpoint *p, unsigned bar, uint64_t off, unsigned size);
	void (*write)(
		struct endpoint *p, unsigned bar, uint64_t off, unsigned size, uint64_t value);
	/*
	 * A capability of the device's own, with registers that are more than memory: answers a
	 * read, acts on what was written. Return of the former: false: it is memory. NULL: none.
	 */
	bool (*config_read)(struct endpoint *p, unsigned off, unsigned size, uint32_t *ret);
	void (*config_wrote)(struct endpoint *p, unsigned off, unsigned size, uint32_t value);
	/* The device's own state as after power-on, no I/O in flight on return. NULL: nothing. */
	void (*reset)(struct endpoint *p);
	/* The card has left its slot. NULL: nothing to do. */
	void (*eject)(struct endpoint *p);
	/*
	 * The endpoint is not used again: the device's own threads end, which may use its eventfds
	 * until then. Context: without a lock, before fini. NULL: it has none that do.
	 */
	void (*halt)(struct endpoint *p);
	/* Likewise, at last: frees what holds it. NULL: nothing to do. */
	void (*fini)(struct endpoint *p);
};

struct endpoint_ids {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t class; /* 24 bits */
	uint8_t revision;
};

struct endpoint {
	struct pci_func func;
	struct lock lock;
	struct vm *vm;
	const struct endpoint_ops *ops;
	struct endpoint_ids ids;
	struct func_config config;
	uint8_t bytes[PCI_CONFIG_SIZE];
	struct func_bars bars;
	uint32_t bar_flags[FUNC_BARS];
	struct func_msix msix;
	struct func_intx intx;
	bool intx_wanted; /* the device asserts its line, whether it may or not */
	bool ejected;
};

/* @pin: of INTx, 1: A … 4: D; 0: none. */
void endpoint_init(struct endpoint *p, struct vm *vm, const struct endpoint_ops *ops,
	const struct endpoint_ids *ids, unsigned pin);

/*
 * BAR @index, cut into @spans: pages of this process that the guest reaches directly, and trapped
 * parts. @prefetchable: of memory BARs. Return: 0, -ENOMEM, -EINVAL no such size.
 */
int endpoint_add_bar(struct endpoint *p, unsigned index, enum func_bar_kind kind, uint64_t size,
	bool prefetchable, const struct func_span *spans, unsigned count, struct err *e);

/*
 * MSI-X; the table is at @table_off of BAR @bar, the pending bits at @pba_off. Return: 0, -ENOMEM.
 */
int endpoint_add_msix(struct endpoint *p, unsigned count, unsigned bar, uint64_t table_off,
	uint64_t pba_off, struct err *e);

/* Accesses a register of a BAR as the guest does. Context: under `lock`. */
uint64_t endpoint_bar_read(struct endpoint *p, unsigned bar, uint64_t off, unsigned size);
void endpoint_bar_write(
	struct endpoint *p, unsigned bar, uint64_t off, unsigned size, uint64_t value);

/* Under `lock`. Asserts or deasserts INTx, as far as the guest lets the function have it. */
void endpoint_set_intx(struct endpoint *p, bool asserted);

#endif
