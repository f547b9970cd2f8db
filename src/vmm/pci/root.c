/* SPDX-License-Identifier: MIT */
#include "vmm/pci/root.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pci/rootport.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci.h> /* with pci_regs.h */
#include <stdlib.h>

/*
 * How it works
 *
 * Bus 0 holds the host bridge at slot 0 and root ports at slots 1 and up, one function each: a
 * guest that finds no multi-function bit looks at no other function. Behind each port is one
 * bus with slot 0 alone, as a PCI Express link has it. Configuration accesses are routed as
 * hardware routes them: to bus 0, or through the port whose secondary bus number, as software
 * wrote it, is the one asked for.
 *
 * An access finds its function without a lock and is served under the lock of that function alone.
 * ECAM has no lock, so an access to one function never waits for another. The list of ports and
 * that of the functions below a port change only while no vCPU runs.
 *
 * There is no 0xcf8/0xcfc pair: with it, Linux takes two port accesses for each register of the
 * first 256 bytes; with ECAM alone, one access.
 */
#define PCI_PORTS_MAX 31

/* Generic host bridge, as the root port's ids. */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008

#define PIN_FIRST 16 /* of the IOAPIC: those below are ISA's */
#define PINS_INTX 8

struct pci_root {
	struct bus_range ecam;
	struct lock bridge_lock;
	struct pci_func bridge;
	struct func_config bridge_regs;
	unsigned port_count;
	struct root_port *ports[PCI_PORTS_MAX];
	uint8_t *config; /* PCI_CONFIG_SIZE for the bridge and for each port */
};

static uint32_t bridge_read(struct pci_func *f, unsigned off, unsigned size)
{
	return func_config_read(&container_of(f, struct pci_root, bridge)->bridge_regs, off, size);
}

static void bridge_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	func_config_write(&container_of(f, struct pci_root, bridge)->bridge_regs, off, size, value);
}

static void bridge_reset(struct pci_func *f)
{
	struct func_config *r = &container_of(f, struct pci_root, bridge)->bridge_regs;

	func_config_set(r, PCI_VENDOR_ID, 2, BRIDGE_VENDOR, 0);
	func_config_set(r, PCI_DEVICE_ID, 2, BRIDGE_DEVICE, 0);
	func_config_set(r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	func_config_set(r, PCI_CLASS_DEVICE, 2, 0x0600, 0);
}

static const struct pci_func_ops bridge_ops = {
	.name = "host bridge",
	.config_read = bridge_read,
	.config_write = bridge_write,
	.reset = bridge_reset,
};

static struct pci_func *find_on_root(struct pci_root *p, unsigned devfn)
{
	unsigned slot = PCI_SLOT(devfn);

	if (PCI_FUNC(devfn))
		return NULL;
	if (slot == 0)
		return &p->bridge;
	return slot <= p->port_count ? &p->ports[slot - 1]->func : NULL;
}

static struct pci_func *find(struct pci_root *p, unsigned bus, unsigned devfn)
{
	if (bus == 0)
		return find_on_root(p, devfn);
	for (unsigned i = 0; i < p->port_count; i++) {
		unsigned route = root_port_route(p->ports[i]);
		if ((route & ROOT_PORT_BUS) != bus)
			continue;
		if (!(route & ROOT_PORT_LINKED))
			return NULL;
		for (struct pci_func *f = p->ports[i]->below; f; f = f->next)
			if ((unsigned)PCI_DEVFN(f->slot, f->fn) == devfn)
				return f;
		return NULL;
	}
	return NULL;
}

static bool access_ok(unsigned off, unsigned size)
{
	return size <= 4 && is_pow2(size) && !(off & (size - 1)) &&
	       range_ok(off, size, PCI_CONFIG_SIZE);
}

uint32_t pci_config_read_at(
	struct pci_root *p, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	struct pci_func *f = access_ok(off, size) ? find(p, bus, devfn) : NULL;
	uint32_t value = (uint32_t)all_ones(size);

	if (!f)
		return value;
	lock_take(f->lock);
	value &= f->ops->config_read(f, off, size);
	lock_drop(f->lock);
	return value;
}

void pci_config_write_at(struct pci_root *p, unsigned bus, unsigned devfn, unsigned off,
	unsigned size, uint32_t value)
{
	struct pci_func *f = access_ok(off, size) ? find(p, bus, devfn) : NULL;

	if (!f)
		return;
	lock_take(f->lock);
	f->ops->config_write(f, off, size, value & (uint32_t)all_ones(size));
	lock_drop(f->lock);
}

/* Ref: PCI Express Base 7.2.2: bus in bits 20 and up, device and function, register */
static uint64_t ecam_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_root *p = container_of(r, struct pci_root, ecam);

	if (size > 4)
		return all_ones(size);
	return pci_config_read_at(p, (unsigned)(off >> 20), (unsigned)(off >> 12) & 0xff,
		(unsigned)off & (PCI_CONFIG_SIZE - 1), size);
}

static void ecam_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_root *p = container_of(r, struct pci_root, ecam);

	if (size > 4)
		return;
	pci_config_write_at(p, (unsigned)(off >> 20), (unsigned)(off >> 12) & 0xff,
		(unsigned)off & (PCI_CONFIG_SIZE - 1), size, (uint32_t)value);
}

int pci_init(struct vm *vm, const struct pci_window *ecam, struct err *e)
{
	struct pci_root *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, -ENOMEM, "allocate the PCI hierarchy");
	p->config = calloc(PCI_PORTS_MAX + 1, PCI_CONFIG_SIZE);
	if (!p->config) {
		free(p);
		return err_set(e, -ENOMEM, "allocate configuration space");
	}
	p->bridge_lock = (struct lock)LOCK_INIT(LOCK_PORT);
	p->bridge.ops = &bridge_ops;
	p->bridge.lock = &p->bridge_lock;
	p->bridge_regs.bytes = p->config;
	bridge_reset(&p->bridge);
	p->ecam = (struct bus_range){
		.name = "ecam",
		.base = ecam->base,
		.size = ecam->size,
		.read = ecam_read,
		.write = ecam_write,
	};
	vm->pci = p;
	return bus_add(&vm->mmio, &p->ecam, e);
}

void pci_fini(struct vm *vm)
{
	struct pci_root *p = vm->pci;

	if (!p)
		return;
	while (p->port_count) {
		struct root_port *gone = p->ports[--p->port_count];
		gone->func.ops->fini(&gone->func);
		free(gone);
	}
	bus_remove(&vm->mmio, &p->ecam);
	free(p->config);
	free(p);
	vm->pci = NULL;
}

void pci_reset(struct vm *vm)
{
	struct pci_root *p = vm->pci;

	bridge_reset(&p->bridge);
	for (unsigned i = 0; i < p->port_count; i++) {
		lock_take(&p->ports[i]->lock);
		root_port_quiet(p->ports[i]);
		lock_drop(&p->ports[i]->lock);
	}
	for (unsigned i = 0; i < p->port_count; i++) {
		lock_take(&p->ports[i]->lock);
		p->ports[i]->func.ops->reset(&p->ports[i]->func);
		lock_drop(&p->ports[i]->lock);
	}
}

static void send(void *arg, uint64_t address, uint32_t data)
{
	struct vm *vm = arg;

	/* To an address where no processor listens: lost, as on hardware. */
	(void)irq_signal_msi(&vm->irq, address, data);
}

int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e)
{
	struct pci_root *p = vm->pci;

	if (p->port_count == PCI_PORTS_MAX)
		return err_say(e, -ENOSPC, "%s: plug into the guest: all %d root ports are in use",
			name, PCI_PORTS_MAX);
	struct root_port *port = calloc(1, sizeof(*port));
	if (!port)
		return err_set(e, -ENOMEM, "%s: plug into the guest", name);
	unsigned slot = p->port_count + 1;
	root_port_init(port, (uint8_t)slot, p->config + (size_t)slot * PCI_CONFIG_SIZE);
	root_port_set_sender(port, send, vm);
	f->slot = 0;
	root_port_attach(port, f);
	p->ports[p->port_count++] = port;
	return 0;
}

void pci_plug_beside(struct pci_func *first, struct pci_func *f)
{
	f->slot = first->slot;
	root_port_attach(first->port, f);
}

void pci_port_atomics(struct pci_func *f, uint32_t bits)
{
	root_port_set_atomics(f->port, bits);
}

void pci_ask(struct pci_func *f)
{
	lock_take(&f->port->lock);
	root_port_ask(f->port);
	lock_drop(&f->port->lock);
}

bool pci_answers(const struct pci_func *f)
{
	lock_take(&f->port->lock);
	bool answers = slot_answers(&f->port->slot);
	lock_drop(&f->port->lock);
	return answers;
}

void pci_pull(struct pci_func *f)
{
	lock_take(&f->port->lock);
	root_port_pull(f->port);
	lock_drop(&f->port->lock);
}

int pci_slot_gsi(unsigned slot, unsigned pin)
{
	return PIN_FIRST + (int)((slot + pin - 1) % PINS_INTX);
}

/* Ref: PCI-to-PCI Bridge Architecture 9.1: slot 0 behind a bridge keeps its pin */
int pci_intx_gsi(const struct pci_func *f, unsigned pin)
{
	return pci_slot_gsi(f->port ? f->port->func.slot : f->slot, pin);
}

unsigned pci_slots(const struct pci_root *p)
{
	return p->port_count + 1;
}
