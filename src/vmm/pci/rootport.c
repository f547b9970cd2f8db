/* SPDX-License-Identifier: MIT */
#include "vmm/pci/rootport.h"

#include "base/bits.h"
#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>

/*
 * The ids of QEMU's generic root port. Guests drive it by its class, and no guest has a quirk for
 * it.
 */
#define PORT_VENDOR 0x1b36
#define PORT_DEVICE 0x000c

#define PORT_CAP_EXP 0x40
#define PORT_CAP_MSI 0x80

#define PORT_COMMAND                                                                     \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
		PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define PORT_BRIDGE_CONTROL                                                       \
	(PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_BUS_RESET | \
		PCI_BRIDGE_CTL_VGA)
#define PORT_STATUS_ERRORS                                                               \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT | \
		PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR |              \
		PCI_STATUS_DETECTED_PARITY)

/* Function 0 of the card: its registers describe the link. */
static struct pci_func *find_first(const struct root_port *p)
{
	struct pci_func *f = p->below;

	while (f && f->fn)
		f = f->next;
	return f;
}

/* Link Status follows the card: it lowers its speed to save power, and raises it again. */
static void follow_link(struct root_port *p)
{
	struct pci_func *f = find_first(p);

	if (!f || !slot_linked(&p->slot))
		return;
	lock_take(f->lock);
	bool answers = link_refresh(&p->link, f);
	lock_drop(f->lock);
	if (answers)
		slot_set_link(&p->slot, p->link.status);
}

static uint32_t port_read(struct pci_func *f, unsigned off, unsigned size)
{
	struct root_port *p = container_of(f, struct root_port, func);
	const unsigned status = PORT_CAP_EXP + PCI_EXP_LNKSTA;

	if (off < status + 2 && status < off + size)
		follow_link(p);
	return func_config_read(&p->regs, off, size);
}

static void route_update(struct root_port *p)
{
	unsigned route = p->regs.bytes[PCI_SECONDARY_BUS];

	if (slot_linked(&p->slot))
		route |= ROOT_PORT_LINKED;
	__atomic_store_n(&p->route, route, __ATOMIC_RELEASE);
}

unsigned root_port_route(const struct root_port *p)
{
	return __atomic_load_n(&p->route, __ATOMIC_ACQUIRE);
}

void root_port_quiet(struct root_port *p)
{
	for (struct pci_func *f = p->below; f; f = f->next) {
		if (!f->ops->quiet)
			continue;
		lock_take(f->lock);
		f->ops->quiet(f);
		lock_drop(f->lock);
	}
}

static void reset_below(struct root_port *p)
{
	root_port_quiet(p);
	for (struct pci_func *f = p->below; f; f = f->next) {
		lock_take(f->lock);
		f->ops->reset(f);
		lock_drop(f->lock);
	}
}

void root_port_unplug(struct root_port *p)
{
	for (struct pci_func *f = p->below; f && p->slot.occupied; f = f->next) {
		if (!f->ops->eject)
			continue;
		lock_take(f->lock);
		f->ops->eject(f);
		lock_drop(f->lock);
	}
	slot_remove(&p->slot);
	route_update(p);
}

void root_port_request_unplug(struct root_port *p)
{
	slot_press_button(&p->slot);
	/* Without power no driver of the guest uses the card. */
	if (!slot_linked(&p->slot))
		root_port_unplug(p);
}

/* A card without power is as in reset; one that gets power is as after power-on. */
static void power_changed(struct root_port *p, enum slot_power power)
{
	if (power == SLOT_TURNED_ON)
		reset_below(p);
	else if (power == SLOT_TURNED_OFF && p->slot.asked)
		root_port_unplug(p);
	else if (power == SLOT_TURNED_OFF)
		root_port_quiet(p);
}

static void port_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	struct root_port *p = container_of(f, struct root_port, func);
	uint8_t before = p->regs.bytes[PCI_BRIDGE_CONTROL];

	func_config_write(&p->regs, off, size, value);
	/* The secondary bus is in reset while the bit is set: once, on the edge. */
	if ((p->regs.bytes[PCI_BRIDGE_CONTROL] & ~before) & PCI_BRIDGE_CTL_BUS_RESET)
		reset_below(p);
	power_changed(p, slot_written(&p->slot));
	route_update(p);
}

/*
 * Guest-visible registers as after power-on. Windows start closed (base above limit), so that
 * nothing is forwarded before software says so.
 * Ref: PCI-to-PCI Bridge Architecture 3.2.5; PCI Express Base 7.5.1.3
 */
static void set_header(struct func_config *r)
{
	func_config_set(r, PCI_VENDOR_ID, 2, PORT_VENDOR, 0);
	func_config_set(r, PCI_DEVICE_ID, 2, PORT_DEVICE, 0);
	func_config_set(r, PCI_COMMAND, 2, 0, PORT_COMMAND);
	func_config_set_clear(r, PCI_STATUS, 2, PORT_STATUS_ERRORS);
	func_config_set(r, PCI_CLASS_DEVICE, 2, 0x0604, 0);
	func_config_set(r, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	func_config_set(r, PCI_PRIMARY_BUS, 4, 0, 0x00ffffff);
	func_config_set(r, PCI_IO_BASE, 1, 0xf0 | PCI_IO_RANGE_TYPE_16, 0xf0);
	func_config_set(r, PCI_IO_LIMIT, 1, PCI_IO_RANGE_TYPE_16, 0xf0);
	func_config_set_clear(r, PCI_SEC_STATUS, 2, PORT_STATUS_ERRORS);
	func_config_set(r, PCI_MEMORY_BASE, 2, 0xfff0, 0xfff0);
	func_config_set(r, PCI_MEMORY_LIMIT, 2, 0, 0xfff0);
	func_config_set(r, PCI_PREF_MEMORY_BASE, 2, 0xfff0 | PCI_PREF_RANGE_TYPE_64, 0xfff0);
	func_config_set(r, PCI_PREF_MEMORY_LIMIT, 2, PCI_PREF_RANGE_TYPE_64, 0xfff0);
	func_config_set(r, PCI_PREF_BASE_UPPER32, 4, 0, 0xffffffff);
	func_config_set(r, PCI_PREF_LIMIT_UPPER32, 4, 0, 0xffffffff);
	func_config_set(r, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	func_config_set(r, PCI_BRIDGE_CONTROL, 2, 0, PORT_BRIDGE_CONTROL);
}

/* A port with a slot reports whether its link is up. */
static void set_link(struct func_config *r, unsigned number, const struct pcie_link *l)
{
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_LNKCAP, 4,
		l->capability | PCI_EXP_LNKCAP_DLLLARC | number << 24, 0);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_LNKCAP2, 4, l->speeds, 0);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_LNKCTL2, 2, l->capability & PCI_EXP_LNKCAP_SLS,
		PCI_EXP_LNKCTL2_TLS);
}

static void set_express(struct func_config *r, uint32_t atomics)
{
	r->bytes[PCI_CAPABILITY_LIST] = 0;
	func_config_add_cap(r, PCI_CAP_ID_MSI, PORT_CAP_MSI);
	func_config_add_cap(r, PCI_CAP_ID_EXP, PORT_CAP_EXP);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_FLAGS, 2,
		PCI_EXP_FLAGS_SLOT | PCI_EXP_TYPE_ROOT_PORT << 4 | 2, 0);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER, 0);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_DEVCTL, 2, 0,
		PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_LNKCTL, 2, 0,
		PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_RCB);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_ARI | atomics, 0);
	func_config_set(r, PORT_CAP_EXP + PCI_EXP_DEVCTL2, 2, 0, PCI_EXP_DEVCTL2_ARI);
}

static void port_reset(struct pci_func *f)
{
	struct root_port *p = container_of(f, struct root_port, func);

	set_header(&p->regs);
	set_express(&p->regs, p->atomics);
	set_link(&p->regs, f->slot, &p->link);
	slot_reset(&p->slot, f->slot);
	route_update(p);
	reset_below(p);
}

/* Context: the link is down; without a lock, because a vCPU with a pin may wait for it. */
static void finish_below(struct root_port *p)
{
	lock_take(&p->lock);
	struct pci_func *gone = p->below;
	p->below = NULL;
	lock_drop(&p->lock);
	/* An access that has no pin yet finds the link down, whatever order the stores had. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pin_wait(&p->pins);
	while (gone) {
		struct pci_func *f = gone;
		gone = f->next;
		f->ops->fini(f);
	}
}

/* Under the port's lock. */
static bool below_is_idle(const struct root_port *p)
{
	for (struct pci_func *f = p->below; f; f = f->next)
		if (f->ops->is_idle && !f->ops->is_idle(f))
			return false;
	return true;
}

int root_port_take_slot(struct root_port *p)
{
	lock_take(&p->lock);
	bool is_empty = !p->slot.occupied && !p->taken;
	int r = !is_empty ? -ENOSPC : below_is_idle(p) ? 0 : -EBUSY;
	p->taken |= r == 0;
	lock_drop(&p->lock);
	if (r == 0)
		finish_below(p);
	return r;
}

static void port_fini(struct pci_func *f)
{
	finish_below(container_of(f, struct root_port, func));
}

static const struct pci_func_ops port_ops = {
	.name = "root port",
	.config_read = port_read,
	.config_write = port_write,
	.reset = port_reset,
	.fini = port_fini,
};

void root_port_init(struct root_port *p, uint8_t slot, uint8_t *bytes)
{
	*p = (struct root_port){
		.func = {.ops = &port_ops, .lock = &p->lock, .slot = slot},
		.lock = LOCK_INIT(LOCK_PORT),
		.regs = {.bytes = bytes},
		.slot = {.express = PORT_CAP_EXP, .msi = PORT_CAP_MSI},
		.link = link_default(),
	};
	p->slot.regs = &p->regs;
	p->slot.link = p->link.status;
	func_config_set(&p->regs, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE, 0);
	port_reset(&p->func);
}

void root_port_set_atomics(struct root_port *p, uint32_t bits)
{
	assert(lock_is_mine(&p->lock));
	p->atomics = bits;
	func_config_set(&p->regs, PORT_CAP_EXP + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_ARI | bits, 0);
}

void root_port_attach(struct root_port *p, struct pci_func *f)
{
	lock_take(&p->lock);
	f->port = p;
	f->next = p->below;
	p->below = f;
	lock_drop(&p->lock);
}

/* The card is complete and not yet in the slot. */
static void mirror_link(struct root_port *p)
{
	struct pci_func *f = find_first(p);

	if (!f)
		return;
	lock_take(f->lock);
	p->link = link_read(f);
	lock_drop(f->lock);
	set_link(&p->regs, p->func.slot, &p->link);
	slot_set_link(&p->slot, p->link.status);
}

void root_port_fill(struct root_port *p)
{
	lock_take(&p->lock);
	mirror_link(p);
	slot_fill(&p->slot);
	p->taken = false;
	route_update(p);
	lock_drop(&p->lock);
}

void root_port_insert(struct root_port *p)
{
	lock_take(&p->lock);
	mirror_link(p);
	slot_insert(&p->slot);
	p->taken = false;
	route_update(p);
	lock_drop(&p->lock);
}

void root_port_set_sender(
	struct root_port *p, void (*send)(void *arg, uint64_t address, uint32_t data), void *arg)
{
	p->slot.send = send;
	p->slot.arg = arg;
}
