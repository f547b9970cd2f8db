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
 * ECAM has no lock, so an access to one function never waits for another. The list of ports does
 * not change while the guest runs. Functions below a port come before its link is up, and are
 * finished when it is down and no access has a pin of the port any more.
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
	bool sealed;
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

static struct pci_func *find_below(struct root_port *port, unsigned devfn)
{
	struct pci_func *f = port->below;

	while (f && (unsigned)PCI_DEVFN(f->slot, f->fn) != devfn)
		f = f->next;
	return f;
}

/* The port that leads to @bus, with a pin: while it is there, no function below is finished. */
static struct root_port *pin_port(struct pci_root *p, unsigned bus)
{
	for (unsigned i = 0; i < p->port_count; i++) {
		struct root_port *port = p->ports[i];
		if ((root_port_route(port) & ROOT_PORT_BUS) != bus)
			continue;
		pin_take(&port->pins);
		if (root_port_route(port) & ROOT_PORT_LINKED)
			return port;
		pin_drop(&port->pins);
		return NULL;
	}
	return NULL;
}

/* The function of an access, with its lock: leave_function() follows. */
static struct pci_func *enter_function(struct pci_root *p, unsigned bus, unsigned devfn)
{
	struct root_port *port = bus ? pin_port(p, bus) : NULL;
	struct pci_func *f = port ? find_below(port, devfn) : bus ? NULL : find_on_root(p, devfn);

	if (f)
		lock_take(f->lock);
	else if (port)
		pin_drop(&port->pins);
	return f;
}

static void leave_function(struct pci_func *f)
{
	lock_drop(f->lock);
	if (f->port)
		pin_drop(&f->port->pins);
}

static bool access_ok(unsigned off, unsigned size)
{
	return size <= 4 && is_pow2(size) && !(off & (size - 1)) &&
	       range_ok(off, size, PCI_CONFIG_SIZE);
}

uint32_t pci_config_read_at(
	struct pci_root *p, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	struct pci_func *f = access_ok(off, size) ? enter_function(p, bus, devfn) : NULL;
	uint32_t value = (uint32_t)all_ones(size);

	if (!f)
		return value;
	value &= f->ops->config_read(f, off, size);
	leave_function(f);
	return value;
}

void pci_config_write_at(struct pci_root *p, unsigned bus, unsigned devfn, unsigned off,
	unsigned size, uint32_t value)
{
	struct pci_func *f = access_ok(off, size) ? enter_function(p, bus, devfn) : NULL;

	if (!f)
		return;
	f->ops->config_write(f, off, size, value & (uint32_t)all_ones(size));
	leave_function(f);
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

static void send_message(void *arg, uint64_t address, uint32_t data)
{
	struct vm *vm = arg;

	/* To an address where no processor listens: lost, as on hardware. */
	(void)irq_signal_msi(&vm->irq, address, data);
}

int pci_add_port(struct vm *vm, struct err *e)
{
	struct pci_root *p = vm->pci;

	if (p->sealed || p->port_count == PCI_PORTS_MAX)
		return err_say(e, -ENOSPC, "add a root port: all %u are in use", p->port_count);
	struct root_port *port = calloc(1, sizeof(*port));
	if (!port)
		return err_set(e, -ENOMEM, "add a root port");
	unsigned slot = p->port_count + 1;
	root_port_init(port, (uint8_t)slot, p->config + (size_t)slot * PCI_CONFIG_SIZE);
	root_port_set_sender(port, send_message, vm);
	p->ports[p->port_count++] = port;
	return 0;
}

void pci_seal(struct vm *vm)
{
	vm->pci->sealed = true;
}

/*
 * Takes an empty slot for a card that is to come. Return: 0; -EBUSY the card that was in the only
 * empty slots is not closed yet; -ENOSPC.
 */
static int take_slot(const struct pci_root *p, struct root_port **ret)
{
	int r = -ENOSPC;

	for (unsigned i = 0; i < p->port_count; i++) {
		int taken = root_port_take_slot(p->ports[i]);
		*ret = p->ports[i];
		if (taken == 0)
			return 0;
		if (taken == -EBUSY)
			r = -EBUSY;
	}
	return r;
}

int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e)
{
	struct pci_root *p = vm->pci;
	struct root_port *port = NULL;

	int r = take_slot(p, &port);
	if (r == -EBUSY)
		return err_say(e, r,
			"%s: plug into the guest: the device that was in the slot is not closed",
			name);
	if (r < 0) {
		r = pci_add_port(vm, e);
		if (r < 0)
			return err_in(e, r, "%s: plug into the guest", name);
		(void)take_slot(p, &port);
	}
	f->slot = 0;
	root_port_attach(port, f);
	if (!p->sealed)
		root_port_fill(port);
	return 0;
}

void pci_plug_beside(struct pci_func *first, struct pci_func *f)
{
	f->slot = first->slot;
	root_port_attach(first->port, f);
}

void pci_announce(struct pci_func *f)
{
	root_port_insert(f->port);
}

void pci_port_atomics(struct pci_func *f, uint32_t bits)
{
	lock_take(&f->port->lock);
	root_port_set_atomics(f->port, bits);
	lock_drop(&f->port->lock);
}

void pci_request_unplug(struct pci_func *f)
{
	lock_take(&f->port->lock);
	root_port_request_unplug(f->port);
	lock_drop(&f->port->lock);
}

bool pci_unplug_acknowledged(const struct pci_func *f)
{
	lock_take(&f->port->lock);
	bool answers = slot_acknowledges(&f->port->slot);
	lock_drop(&f->port->lock);
	return answers;
}

void pci_unplug(struct pci_func *f)
{
	lock_take(&f->port->lock);
	root_port_unplug(f->port);
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
