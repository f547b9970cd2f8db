/* SPDX-License-Identifier: MIT */
#include "vmm/pci/rootport.h"

#include "base/endian.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/pci/conf1.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[PCI_CONFIG_SIZE];
static struct root_port port;
static int resets, finis;
static bool closing;

static struct lock below_lock = LOCK_INIT(LOCK_DEVICE);

static uint32_t below_read(struct pci_func *f, unsigned off, unsigned size)
{
	return 0x12345678;
}

static void below_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
}

static void below_reset(struct pci_func *f)
{
	resets++;
}

static void below_fini(struct pci_func *f)
{
	finis++;
}

static bool below_is_idle(struct pci_func *f)
{
	return !closing;
}

static const struct pci_func_ops below_ops = {
	.name = "below",
	.is_idle = below_is_idle,
	.config_read = below_read,
	.config_write = below_write,
	.reset = below_reset,
	.fini = below_fini,
};

static uint32_t get(unsigned off, unsigned size)
{
	return port.func.ops->config_read(&port.func, off, size);
}

static void put(unsigned off, unsigned size, uint32_t v)
{
	port.func.ops->config_write(&port.func, off, size, v);
}

static void setup(void)
{
	memset(bytes, 0, sizeof(bytes));
	resets = finis = 0;
	root_port_init(&port, 3, bytes);
}

START_TEST(is_a_root_port)
{
	setup();
	ck_assert_uint_eq(get(PCI_CLASS_REVISION, 4) >> 8, 0x060400);
	ck_assert_uint_eq(get(PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_BRIDGE);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, PCI_STATUS_CAP_LIST);
	unsigned cap = get(PCI_CAPABILITY_LIST, 1);
	ck_assert_uint_eq(get(cap, 1), PCI_CAP_ID_EXP);
	ck_assert_uint_eq(get(get(cap + 1, 1), 2), PCI_CAP_ID_MSI);
	ck_assert_uint_ne(get(cap + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_SLOT, 0);
	ck_assert_uint_eq(
		(get(cap + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4, PCI_EXP_TYPE_ROOT_PORT);
	ck_assert_uint_eq(get(cap + PCI_EXP_LNKCAP, 4) >> 24, 3);
	ck_assert_uint_eq(get(0x100, 4), 0); /* no extended capability */
}
END_TEST

START_TEST(only_its_masks_are_writable)
{
	setup();
	for (unsigned off = 0; off < PCI_CONFIG_SIZE; off += 4)
		put(off, 4, 0xffffffff);
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), 0x000c1b36);
	ck_assert_uint_eq(get(PCI_CLASS_REVISION, 4) >> 8, 0x060400);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0, 4), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_1, 4), 0);
	ck_assert_uint_eq(get(PCI_ROM_ADDRESS1, 4), 0);
	ck_assert_uint_eq(get(PCI_INTERRUPT_PIN, 1), 0);
	ck_assert_uint_eq(get(PCI_MEMORY_BASE, 4), 0xfff0fff0);
	ck_assert_uint_eq(get(PCI_PREF_MEMORY_BASE, 4), 0xfff1fff1);
	ck_assert_uint_eq(get(PCI_IO_BASE, 2), 0xf0f0);
	ck_assert_uint_eq(get(PCI_SEC_LATENCY_TIMER, 1), 0);
	ck_assert_uint_eq(get(0x100, 4), 0);
	ck_assert_uint_eq(get(PCI_CONFIG_SIZE - 4, 4), 0);
}
END_TEST

START_TEST(writes_of_a_part_keep_the_rest)
{
	setup();
	put(PCI_PRIMARY_BUS, 4, 0x00050403);
	put(PCI_SECONDARY_BUS, 1, 9);
	ck_assert_uint_eq(get(PCI_PRIMARY_BUS, 4), 0x00050903);
	ck_assert_uint_eq(root_port_route(&port), 9);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8);
	ck_assert_uint_eq(get(PCI_COMMAND, 2),
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
}
END_TEST

START_TEST(written_ones_clear)
{
	setup();
	port.regs.bytes[PCI_STATUS + 1] |= PCI_STATUS_REC_MASTER_ABORT >> 8;
	put(PCI_COMMAND, 4, 0);
	ck_assert_uint_ne(get(PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT, 0);
	put(PCI_STATUS, 2, PCI_STATUS_REC_MASTER_ABORT);
	ck_assert_uint_eq(get(PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT, 0);
	ck_assert_uint_ne(get(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
}
END_TEST

START_TEST(secondary_bus_reset_is_an_edge)
{
	struct pci_func below = {.ops = &below_ops, .lock = &below_lock};

	setup();
	root_port_attach(&port, &below);
	put(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	ck_assert_int_eq(resets, 1);
	put(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET | PCI_BRIDGE_CTL_SERR);
	ck_assert_int_eq(resets, 1);
	put(PCI_BRIDGE_CONTROL, 2, 0);
	put(PCI_BRIDGE_CONTROL, 1, PCI_BRIDGE_CTL_BUS_RESET);
	ck_assert_int_eq(resets, 2);
	port.func.ops->fini(&port.func);
	ck_assert_int_eq(finis, 1);
	ck_assert_ptr_null(port.below);
}
END_TEST

START_TEST(reset_restores_power_on)
{
	setup();
	put(PCI_PRIMARY_BUS, 4, 0x00010100);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	port.func.ops->reset(&port.func);
	ck_assert_uint_eq(get(PCI_PRIMARY_BUS, 4), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
	/* The same list twice: the second time it must not lead back to itself. */
	unsigned next = get(get(PCI_CAPABILITY_LIST, 1) + 1, 1);
	ck_assert_uint_eq(get(next, 2), PCI_CAP_ID_MSI);
}
END_TEST

/* Everything: ECAM, host bridge, ports, a function behind a port. */
static struct vm vm;
static struct pci_func functions[40];

static uint64_t ecam(unsigned bus, unsigned devfn, unsigned off)
{
	return 0xe8000000 + ((uint64_t)bus << 20 | (uint64_t)devfn << 12 | off);
}

static void make_root(void)
{
	const struct pci_window window = {.base = 0xe8000000, .size = MIB(PCI_BUSES_MAX)};

	memset(&vm, 0, sizeof(vm));
	vm.mmio.name = "mmio";
	ck_assert_int_eq(pci_init(&vm, &window, NULL), 0);
	resets = finis = 0;
}

START_TEST(routes_by_secondary_bus)
{
	make_root();
	functions[0] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	ck_assert_uint_eq(pci_slots(vm.pci), 2);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, 0, PCI_CLASS_DEVICE), 2), 0x0600);
	ck_assert_uint_eq(
		bus_read(&vm.mmio, ecam(0, PCI_DEVFN(1, 0), PCI_CLASS_DEVICE), 2), 0x0604);
	/* Nothing answers: another function, another slot, a bus behind no port. */
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, PCI_DEVFN(1, 1), 0), 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, PCI_DEVFN(2, 0), 0), 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0xffffffff);
	bus_write(&vm.mmio, ecam(0, PCI_DEVFN(1, 0), PCI_SECONDARY_BUS), 1, 5);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0x12345678);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 1), 0x78);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, PCI_DEVFN(1, 0), 0), 4), 0xffffffff);
	pci_fini(&vm);
	ck_assert_int_eq(finis, 1);
	ck_assert_uint_eq(vm.mmio.count, 0);
}
END_TEST

START_TEST(an_empty_slot_answers_nobody)
{
	const unsigned at = PCI_DEVFN(1, 0), control = 0x40 + PCI_EXP_SLTCTL;

	make_root();
	functions[0] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	functions[1] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	ck_assert_int_eq(pci_plug(&vm, &functions[1], "two", NULL), 0);
	bus_write(&vm.mmio, ecam(0, at, PCI_SECONDARY_BUS), 1, 5);
	bus_write(&vm.mmio, ecam(0, PCI_DEVFN(2, 0), PCI_SECONDARY_BUS), 1, 6);
	bus_write(&vm.mmio, ecam(0, at, control), 2, PCI_EXP_SLTCTL_PCC);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0xffffffff);
	bus_write(&vm.mmio, ecam(0, at, control), 2, 0);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0x12345678);
	pci_unplug(&functions[0]);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(6, 0, 0), 4), 0x12345678);
	pci_reset(&vm);
	bus_write(&vm.mmio, ecam(0, at, PCI_SECONDARY_BUS), 1, 5);
	bus_write(&vm.mmio, ecam(0, at, control), 2, 0);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0xffffffff);
	pci_fini(&vm);
	ck_assert_int_eq(finis, 2);
}
END_TEST

static int quiets;

static void below_quiet(struct pci_func *f)
{
	ck_assert_int_eq(resets, 0); /* all functions are quiet before the first reset */
	quiets++;
}

START_TEST(functions_share_a_slot)
{
	static struct pci_func_ops ops;

	ops = below_ops;
	ops.quiet = below_quiet;
	make_root();
	functions[0] = (struct pci_func){.ops = &ops, .lock = &below_lock};
	functions[1] = (struct pci_func){.ops = &ops, .lock = &below_lock, .fn = 3};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "first", NULL), 0);
	pci_plug_beside(&functions[0], &functions[1]);
	ck_assert_uint_eq(pci_slots(vm.pci), 2);
	bus_write(&vm.mmio, ecam(0, PCI_DEVFN(1, 0), PCI_SECONDARY_BUS), 1, 5);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, PCI_DEVFN(0, 3), 0), 4), 0x12345678);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, PCI_DEVFN(0, 1), 0), 4), 0xffffffff);
	ck_assert_int_eq(pci_intx_gsi(&functions[1], 2), pci_slot_gsi(1, 2));
	pci_reset(&vm);
	ck_assert_int_eq(resets, 2);
	ck_assert_int_ge(quiets, 2);
	pci_fini(&vm);
	ck_assert_int_eq(finis, 2);
}
END_TEST

/* A function plugged into an empty slot while the guest runs is hidden until it is announced. */
START_TEST(an_empty_slot_is_filled_again)
{
	const unsigned at = PCI_DEVFN(1, 0), status = 0x40 + PCI_EXP_SLTSTA;

	make_root();
	for (unsigned i = 0; i < 5; i++)
		functions[i] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	ck_assert_int_eq(pci_add_port(&vm, NULL), 0);
	pci_seal(&vm);
	ck_assert_uint_eq(pci_slots(vm.pci), 3);
	ck_assert_int_eq(pci_add_port(&vm, NULL), -ENOSPC);
	ck_assert_int_eq(pci_plug(&vm, &functions[1], "two", NULL), 0);
	ck_assert_int_eq(pci_plug(&vm, &functions[2], "no room", NULL), -ENOSPC);
	pci_announce(&functions[1]);
	/* Without power the button is what a guest hears of it by. */
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, PCI_DEVFN(2, 0), status), 2),
		PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	ck_assert_int_eq(pci_plug(&vm, &functions[2], "no room", NULL), -ENOSPC);
	bus_write(&vm.mmio, ecam(0, at, PCI_SECONDARY_BUS), 1, 5);
	pci_unplug(&functions[0]);
	bus_write(&vm.mmio, ecam(0, at, status), 2, UINT16_MAX);
	ck_assert_int_eq(finis, 0);
	closing = true; /* nobody waits for the card that was there */
	ck_assert_int_eq(pci_plug(&vm, &functions[3], "three", NULL), -EBUSY);
	ck_assert_int_eq(finis, 0);
	closing = false;
	ck_assert_int_eq(pci_plug(&vm, &functions[3], "three", NULL), 0);
	ck_assert_int_eq(finis, 1);
	functions[4].fn = 2;
	pci_plug_beside(&functions[3], &functions[4]);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, at, status), 2), 0);
	pci_announce(&functions[3]);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, at, status), 2),
		PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, 0, 0), 4), 0x12345678);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(5, PCI_DEVFN(0, 2), 0), 4), 0x12345678);
	ck_assert_int_eq(pci_intx_gsi(&functions[3], 1), pci_slot_gsi(1, 1));
	pci_fini(&vm);
	ck_assert_int_eq(finis, 4);
}
END_TEST

START_TEST(completes_what_the_hosts_port_does)
{
	const unsigned at = PCI_DEVFN(1, 0);

	make_root();
	functions[0] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	pci_port_atomics(&functions[0], PCI_EXP_DEVCAP2_ATOMIC_COMP64);
	pci_reset(&vm);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, at, 0x40 + PCI_EXP_DEVCAP2), 4),
		PCI_EXP_DEVCAP2_ARI | PCI_EXP_DEVCAP2_ATOMIC_COMP64);
	pci_fini(&vm);
}
END_TEST

/* A card whose registers are bytes, with a PCI Express capability at 0x60. */
static uint8_t card_bytes[256];

static uint32_t card_read(struct pci_func *f, unsigned off, unsigned size)
{
	return (uint32_t)le_get(card_bytes + off, size);
}

static void set_card(unsigned version, uint32_t capability, uint16_t status, uint32_t speeds)
{
	memset(card_bytes, 0, sizeof(card_bytes));
	le16_put(card_bytes + PCI_STATUS, PCI_STATUS_CAP_LIST);
	card_bytes[PCI_CAPABILITY_LIST] = 0x50;
	card_bytes[0x50] = PCI_CAP_ID_PM;
	card_bytes[0x51] = 0x60;
	card_bytes[0x60] = PCI_CAP_ID_EXP;
	le16_put(card_bytes + 0x60 + PCI_EXP_FLAGS, (uint16_t)version);
	le32_put(card_bytes + 0x60 + PCI_EXP_LNKCAP, capability);
	le16_put(card_bytes + 0x60 + PCI_EXP_LNKSTA, status);
	le32_put(card_bytes + 0x60 + PCI_EXP_LNKCAP2, speeds);
}

#define PORT_EXP(off) ecam(0, PCI_DEVFN(1, 0), 0x40 + (off))
#define PORT_LINK(off, size) ((unsigned)bus_read(&vm.mmio, PORT_EXP(off), size))
#define X(width) ((width) << 4)

START_TEST(reports_the_link_of_its_card)
{
	static const struct {
		unsigned version;
		uint32_t capability, speeds;
		uint16_t status;
		uint32_t want_capability, want_speeds;
		uint16_t want_status;
	} rows[] = {
		/* A graphics card of 16 GT/s and x16 that saves power in a slot of x8. */
		{2, 4 | X(16) | 0x00477c00, 0x1e, 1 | X(8) | 0x1000, 4 | X(16), 0x1e, 1 | X(8)},
		{2, 5 | X(4), 0, 5 | X(4), 5 | X(4), 0x3e, 5 | X(4)},
		{1, 2 | X(4), 0xfe, 1 | X(1), 2 | X(4), 0x06, 1 | X(1)},
		/* A virtual function: its status is 0. */
		{2, 3 | X(8), 0x0e, 0, 3 | X(8), 0x0e, 3 | X(8)},
		/* No link at all, or what no link can be. */
		{2, 0, 0, 0, 1 | X(1), 0x02, 1 | X(1)},
		{2, 9 | X(8), 0, 9 | X(8), 1 | X(1), 0x02, 1 | X(1)},
		{2, 3 | X(8), 0x0e, UINT16_MAX, 1 | X(1), 0x02, 1 | X(1)},
	};
	static struct pci_func_ops ops;

	ops = below_ops;
	ops.config_read = card_read;
	for (size_t i = 0; i < COUNT(rows); i++) {
		set_card(rows[i].version, rows[i].capability, rows[i].status, rows[i].speeds);
		make_root();
		functions[0] = (struct pci_func){.ops = &ops, .lock = &below_lock};
		ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
		for (int reboot = 0; reboot < 2; reboot++) {
			ck_assert_uint_eq(
				PORT_LINK(PCI_EXP_LNKCAP, 4) & 0x3ff, rows[i].want_capability);
			ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKCAP, 4) & ~0x3ffU,
				PCI_EXP_LNKCAP_DLLLARC | 1U << 24);
			ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKCAP2, 4), rows[i].want_speeds);
			ck_assert_uint_eq(
				PORT_LINK(PCI_EXP_LNKCTL2, 2), rows[i].want_capability & 0xf);
			ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKSTA, 2),
				rows[i].want_status | PCI_EXP_LNKSTA_DLLLA);
			pci_reset(&vm);
		}
		pci_fini(&vm);
	}
}
END_TEST

START_TEST(follows_the_speed_of_its_card)
{
	static struct pci_func_ops ops;

	ops = below_ops;
	ops.config_read = card_read;
	make_root();
	ck_assert_int_eq(pci_add_port(&vm, NULL), 0);
	pci_seal(&vm);
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKCAP, 4) & 0x3ff, 1 | X(1));
	/* Plugged while the guest runs, by function 3 of several. */
	set_card(2, 4 | X(16), 1 | X(16), 0x1e);
	functions[0] = (struct pci_func){.ops = &ops, .lock = &below_lock};
	functions[1] = (struct pci_func){.ops = &below_ops, .lock = &below_lock, .fn = 3};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	pci_plug_beside(&functions[0], &functions[1]);
	pci_announce(&functions[0]);
	bus_write(&vm.mmio, PORT_EXP(PCI_EXP_SLTCTL), 2, 0);
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKCAP, 4) & 0x3ff, 4 | X(16));
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKSTA, 2), 1 | X(16) | PCI_EXP_LNKSTA_DLLLA);
	/* The guest's driver works with it. */
	le16_put(card_bytes + 0x60 + PCI_EXP_LNKSTA, 4 | X(16));
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKCTL, 4) >> 16, 4 | X(16) | PCI_EXP_LNKSTA_DLLLA);
	/* It is in reset. */
	le16_put(card_bytes + 0x60 + PCI_EXP_LNKSTA, UINT16_MAX);
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKSTA, 2), 4 | X(16) | PCI_EXP_LNKSTA_DLLLA);
	pci_unplug(&functions[0]);
	ck_assert_uint_eq(PORT_LINK(PCI_EXP_LNKSTA, 2), PCI_EXP_LNKSTA_CLS_2_5GB);
	pci_fini(&vm);
}
END_TEST

START_TEST(odd_accesses_have_no_answer)
{
	make_root();
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, 0, 1), 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, 0, 0), 8), UINT64_MAX);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, 0, 3), 2), 0xffff);
	bus_write(&vm.mmio, ecam(0, 0, 0), 8, 0);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, 0, 0), 4), 0x00081b36);
	pci_fini(&vm);
}
END_TEST

/* As Linux probes for it and uses it, and as PCs are reset by its second byte. */
START_TEST(answers_by_ports)
{
	struct pci_conf1 conf1;

	make_root();
	vm.ports.name = "ports";
	vm.loop = (struct loop)LOOP_NONE;
	functions[0] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[0], "one", NULL), 0);
	ck_assert_int_eq(conf1_init(&conf1, &vm, NULL), 0);
	/* Nothing is selected. */
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 4), 0xffffffff);
	bus_write(&vm.ports, 0xcfb, 1, 1);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcf8, 4), 0);
	bus_write(&vm.ports, 0xcf8, 4, 0x80000000);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcf8, 4), 0x80000000);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 4), 0x00081b36);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfe, 2), 0x0008);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcff, 1), 0x00);
	/* The root port, and what is behind it. Reserved bits stay 0. */
	bus_write(&vm.ports, 0xcf8, 4, 0xff000803 | PCI_PRIMARY_BUS);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcf8, 4), 0x80000800 | PCI_PRIMARY_BUS);
	bus_write(&vm.ports, 0xcfd, 1, 5);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, PCI_DEVFN(1, 0), PCI_SECONDARY_BUS), 1), 5);
	bus_write(&vm.ports, 0xcf8, 4, 0x80050000);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 4), 0x12345678);
	/* Nobody, a straddled register, and one that is turned off. */
	bus_write(&vm.ports, 0xcf8, 4, 0x80060000);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfd, 2), 0xffff);
	bus_write(&vm.ports, 0xcf8, 4, 0x00000000);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 2), 0xffff);
	bus_write(&vm.ports, 0xcf8, 4, 0x80000000);
	conf1_reset(&conf1);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcfc, 4), 0xffffffff);
	ck_assert_uint_eq(bus_read(&vm.ports, 0xcf9, 1), 0);
	bus_write(&vm.ports, 0xcf9, 1, 2);
	ck_assert_int_eq(vm_ended(&vm), VM_RUNNING);
	bus_write(&vm.ports, 0xcf9, 1, 6);
	ck_assert_int_eq(vm_ended(&vm), VM_REBOOT);
	pci_fini(&vm);
}
END_TEST

START_TEST(ports_run_out)
{
	make_root();
	for (unsigned i = 0; i < 31; i++) {
		functions[i] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
		ck_assert_int_eq(pci_plug(&vm, &functions[i], "many", NULL), 0);
	}
	functions[31] = (struct pci_func){.ops = &below_ops, .lock = &below_lock};
	ck_assert_int_eq(pci_plug(&vm, &functions[31], "one too many", NULL), -ENOSPC);
	ck_assert_uint_eq(bus_read(&vm.mmio, ecam(0, PCI_DEVFN(31, 0), 0), 4), 0x000c1b36);
	/* INTx: neighbours have different pins, which match _PRT. */
	ck_assert_int_eq(pci_intx_gsi(&functions[0], 1), 17);
	ck_assert_int_eq(pci_intx_gsi(&functions[1], 1), 18);
	ck_assert_int_eq(pci_intx_gsi(&functions[0], 4), 20);
	ck_assert_int_eq(pci_intx_gsi(&functions[7], 1), 16);
	pci_fini(&vm);
	ck_assert_int_eq(finis, 31);
}
END_TEST

SUITE("port", is_a_root_port, only_its_masks_are_writable, writes_of_a_part_keep_the_rest,
	written_ones_clear, secondary_bus_reset_is_an_edge, reset_restores_power_on,
	routes_by_secondary_bus, an_empty_slot_answers_nobody, functions_share_a_slot,
	an_empty_slot_is_filled_again, completes_what_the_hosts_port_does,
	reports_the_link_of_its_card, follows_the_speed_of_its_card, odd_accesses_have_no_answer,
	answers_by_ports, ports_run_out)
