/* SPDX-License-Identifier: MIT */
#include "vmm/pci/firmware.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "pci/aperture.h"

#include <errno.h>
#include <linux/pci.h> /* with pci_regs.h */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * 1. scan: depth first from bus 0. Each bridge gets the next bus number, and the last one below
 *    it; each BAR and ROM becomes an item of the bus that it sits on.
 * 2. collect: from the last bus to the first (a bus has a higher number than that above it), the
 *    items of one kind are laid out from 0, largest alignment first; what they come to becomes
 *    an item of the bus above: the bridge's window.
 * 3. assign: from bus 0 down, items are laid out again, now from the window's base.
 *
 * Kinds: a bridge forwards 64-bit addresses only through its prefetchable window, so memory that
 * is not both 64-bit and prefetchable has to lie below 4 GiB.
 * Ref: PCI-to-PCI Bridge Architecture 3.2.5; PCI Local Bus 6.2.5.1
 */
enum kind { KIND_IO, KIND_MEM32, KIND_MEM64, KINDS };

enum item_what { ITEM_BAR, ITEM_BAR64, ITEM_ROM, ITEM_WINDOW };

struct item {
	enum item_what what;
	enum kind kind;
	uint8_t bus; /* that it sits on */
	uint8_t devfn;
	uint8_t below; /* a window's secondary bus */
	uint16_t off; /* register */
	uint64_t size;
	uint64_t align;
	uint64_t base;
};

struct bridge {
	uint8_t bus;
	uint8_t devfn;
};

struct firmware {
	const struct firmware_access *a;
	struct bridge above[PCI_BUSES_MAX]; /* the bridge to each bus but 0 */
	unsigned buses;
	struct item *items;
	size_t count;
	size_t room;
};

static const uint64_t window_granule[KINDS] = {
	[KIND_IO] = 4096, [KIND_MEM32] = MIB(1), [KIND_MEM64] = MIB(1)};

static uint32_t config_get(
	struct firmware *f, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	return f->a->read(f->a->ctx, bus, devfn, off, size);
}

static void config_put(struct firmware *f, unsigned bus, unsigned devfn, unsigned off,
	unsigned size, uint32_t value)
{
	f->a->write(f->a->ctx, bus, devfn, off, size, value);
}

static int add_item(struct firmware *f, const struct item *item)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 32;
		struct item *more = realloc(f->items, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->items = more;
		f->room = room;
	}
	f->items[f->count++] = *item;
	return 0;
}

/* Writes ones, reads back what stuck, puts 0. */
static uint32_t probe_bar(struct firmware *f, unsigned bus, unsigned devfn, unsigned off)
{
	config_put(f, bus, devfn, off, 4,
		off == PCI_ROM_ADDRESS || off == PCI_ROM_ADDRESS1 ? (uint32_t)PCI_ROM_ADDRESS_MASK
								  : UINT32_MAX);
	uint32_t v = config_get(f, bus, devfn, off, 4);
	config_put(f, bus, devfn, off, 4, 0);
	return v;
}

static bool is_64(uint32_t bar)
{
	return !(bar & PCI_BASE_ADDRESS_SPACE_IO) &&
	       (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* Return: the item of a BAR that was probed as @low and @high; size 0 if it is not a BAR. */
static struct item bar_item(uint32_t low, uint32_t high)
{
	struct item item = {.what = ITEM_BAR, .kind = KIND_MEM32};
	uint64_t mask;

	if (low & PCI_BASE_ADDRESS_SPACE_IO) {
		item.kind = KIND_IO;
		mask = low & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
		if (mask && !(mask >> 16)) /* upper half hard-wired to 0: 16-bit decoder */
			mask |= 0xffff0000;
		mask |= mask ? UINT64_C(0xffffffff) << 32 : 0;
	} else if (is_64(low)) {
		item.what = ITEM_BAR64;
		mask = (uint64_t)high << 32 | (low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
		if (low & PCI_BASE_ADDRESS_MEM_PREFETCH)
			item.kind = KIND_MEM64;
	} else {
		mask = low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
		mask |= mask ? UINT64_C(0xffffffff) << 32 : 0;
	}
	/* The lowest writable bit is the size; a value with holes is no BAR. */
	item.size = mask & (~mask + 1);
	item.align = item.size;
	return item;
}

static int scan_bars(struct firmware *f, unsigned bus, unsigned devfn, bool is_bridge)
{
	unsigned rom = is_bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
	unsigned bars = is_bridge ? 2 : 6;

	for (unsigned i = 0; i < bars; i++) {
		unsigned off = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t low = probe_bar(f, bus, devfn, off), high = 0;
		if (is_64(low) && ++i < bars)
			high = probe_bar(f, bus, devfn, off + 4);
		struct item item = bar_item(low, high);
		item.bus = (uint8_t)bus;
		item.devfn = (uint8_t)devfn;
		item.off = (uint16_t)off;
		if (item.size && add_item(f, &item) < 0)
			return -ENOMEM;
	}
	uint64_t mask = probe_bar(f, bus, devfn, rom) & (uint32_t)PCI_ROM_ADDRESS_MASK;
	struct item item = {.what = ITEM_ROM,
		.kind = KIND_MEM32,
		.bus = (uint8_t)bus,
		.devfn = (uint8_t)devfn,
		.off = (uint16_t)rom,
		.size = mask & (~mask + 1),
		.align = mask & (~mask + 1)};
	return mask ? add_item(f, &item) : 0;
}

static int scan_bus(struct firmware *f, unsigned bus);

/* Base above limit: the bridge forwards nothing until its window is set. */
static void close_windows(struct firmware *f, unsigned bus, unsigned devfn)
{
	config_put(f, bus, devfn, PCI_IO_BASE, 2, 0x00f0);
	config_put(f, bus, devfn, PCI_MEMORY_BASE, 4, 0x0000fff0);
	config_put(f, bus, devfn, PCI_PREF_MEMORY_BASE, 4, 0x0000fff0);
	config_put(f, bus, devfn, PCI_PREF_BASE_UPPER32, 4, 0);
	config_put(f, bus, devfn, PCI_PREF_LIMIT_UPPER32, 4, 0);
}

static int scan_bridge(struct firmware *f, unsigned bus, unsigned devfn)
{
	if (f->buses == PCI_BUSES_MAX)
		return -ENOSPC;
	unsigned below = f->buses++;
	f->above[below] = (struct bridge){.bus = (uint8_t)bus, .devfn = (uint8_t)devfn};
	close_windows(f, bus, devfn);
	config_put(f, bus, devfn, PCI_PRIMARY_BUS, 1, bus);
	config_put(f, bus, devfn, PCI_SECONDARY_BUS, 1, below);
	config_put(f, bus, devfn, PCI_SUBORDINATE_BUS, 1, PCI_BUSES_MAX - 1);
	int r = scan_bus(f, below);
	if (r < 0)
		return r;
	config_put(f, bus, devfn, PCI_SUBORDINATE_BUS, 1, f->buses - 1);
	return 0;
}

/* Return: 1 when the function is one of several, 0, -errno. */
static int scan_function(struct firmware *f, unsigned bus, unsigned devfn)
{
	uint32_t id = config_get(f, bus, devfn, PCI_VENDOR_ID, 4);

	/* 0x0001 is a device that is not ready (configuration retry): none here needs time. */
	if ((id & 0xffff) == 0xffff || (id & 0xffff) <= 1)
		return 0;
	uint32_t type = config_get(f, bus, devfn, PCI_HEADER_TYPE, 1);
	bool is_bridge = (type & 0x7f) == PCI_HEADER_TYPE_BRIDGE;
	uint32_t command = config_get(f, bus, devfn, PCI_COMMAND, 2);
	if (command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
		config_put(f, bus, devfn, PCI_COMMAND, 2,
			command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	int r = is_bridge || (type & 0x7f) == PCI_HEADER_TYPE_NORMAL
			? scan_bars(f, bus, devfn, is_bridge)
			: 0;
	if (r >= 0 && is_bridge)
		r = scan_bridge(f, bus, devfn);
	return r < 0 ? r : !!(type & 0x80);
}

static int scan_bus(struct firmware *f, unsigned bus)
{
	/* A link has device 0 alone. Some hardware answers for other numbers as well. */
	unsigned slots = bus ? 1 : 32;

	for (unsigned slot = 0; slot < slots; slot++) {
		unsigned functions = 1;
		for (unsigned fn = 0; fn < functions; fn++) {
			int r = scan_function(f, bus, PCI_DEVFN(slot, fn));
			if (r < 0)
				return r;
			if (!fn && r)
				functions = 8;
		}
	}
	return 0;
}

/* Claims of the items of @kind on @bus, in their order. Return: how many; room for f->count. */
static size_t claims_of(
	const struct firmware *f, unsigned bus, enum kind kind, struct pci_claim *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct item *it = &f->items[i];
		if (it->bus == bus && it->kind == kind)
			claims[n++] = (struct pci_claim){.size = it->size, .align = it->align};
	}
	return n;
}

/* Adds an item for the window that all items of @kind on @bus need in the bridge above. */
static int collect_items(struct firmware *f, unsigned bus, enum kind kind)
{
	cleanup_free struct pci_claim *claims = calloc(f->count + 1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	size_t n = claims_of(f, bus, kind, claims);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): cleanup_free */
	const struct pci_claim sum = pci_aperture_sum(claims, n, window_granule[kind]);
	const struct item window = {.what = ITEM_WINDOW,
		.kind = kind,
		.bus = f->above[bus].bus,
		.devfn = f->above[bus].devfn,
		.below = (uint8_t)bus,
		.size = sum.size,
		.align = sum.align};
	return window.size ? add_item(f, &window) : 0;
}

/* Lays out the items of @kind on @bus in @w; an item that does not fit keeps base 0. */
static int assign_items(struct firmware *f, unsigned bus, enum kind kind, struct pci_window w)
{
	cleanup_free struct pci_claim *claims = calloc(f->count + 1, sizeof(*claims));
	size_t n = 0;

	if (!claims)
		return -ENOMEM;
	(void)pci_aperture_place(claims, claims_of(f, bus, kind, claims), w.base, w.size);
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].bus == bus && f->items[i].kind == kind)
			f->items[i].base = claims[n++].base;
	return 0;
}

static struct pci_window window_of(const struct firmware *f, unsigned bus, enum kind kind)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct item *it = &f->items[i];
		if (it->what == ITEM_WINDOW && it->below == bus && it->kind == kind && it->base)
			return (struct pci_window){.base = it->base, .size = it->size};
	}
	return (struct pci_window){0};
}

static void write_window(struct firmware *f, const struct item *it)
{
	uint64_t last = it->base + it->size - 1;

	if (it->kind == KIND_IO) {
		config_put(f, it->bus, it->devfn, PCI_IO_BASE, 1, (uint32_t)(it->base >> 8) & 0xf0);
		config_put(f, it->bus, it->devfn, PCI_IO_LIMIT, 1, (uint32_t)(last >> 8) & 0xf0);
	} else if (it->kind == KIND_MEM32) {
		config_put(f, it->bus, it->devfn, PCI_MEMORY_BASE, 2,
			(uint32_t)(it->base >> 16) & 0xfff0);
		config_put(f, it->bus, it->devfn, PCI_MEMORY_LIMIT, 2,
			(uint32_t)(last >> 16) & 0xfff0);
	} else {
		config_put(f, it->bus, it->devfn, PCI_PREF_BASE_UPPER32, 4,
			(uint32_t)(it->base >> 32));
		config_put(
			f, it->bus, it->devfn, PCI_PREF_LIMIT_UPPER32, 4, (uint32_t)(last >> 32));
		config_put(f, it->bus, it->devfn, PCI_PREF_MEMORY_BASE, 2,
			(uint32_t)(it->base >> 16) & 0xfff0);
		config_put(f, it->bus, it->devfn, PCI_PREF_MEMORY_LIMIT, 2,
			(uint32_t)(last >> 16) & 0xfff0);
	}
}

static void write_item(struct firmware *f, const struct item *it)
{
	if (it->what == ITEM_WINDOW) {
		write_window(f, it);
		return;
	}
	config_put(f, it->bus, it->devfn, it->off, 4, (uint32_t)it->base);
	if (it->what == ITEM_BAR64)
		config_put(f, it->bus, it->devfn, it->off + 4U, 4, (uint32_t)(it->base >> 32));
}

static void write_items(struct firmware *f, struct firmware_result *ret)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct item *it = &f->items[i];
		if (it->base)
			write_item(f, it);
		if (it->what == ITEM_WINDOW)
			continue;
		*(it->base ? &ret->placed : &ret->unplaced) += 1;
	}
	for (unsigned bus = 1; bus < f->buses; bus++)
		config_put(f, f->above[bus].bus, f->above[bus].devfn, PCI_COMMAND, 2,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static int lay_out_buses(struct firmware *f, const struct pci_windows *w)
{
	const struct pci_window root[KINDS] = {
		[KIND_IO] = w->io, [KIND_MEM32] = w->mem32, [KIND_MEM64] = w->mem64};

	for (unsigned bus = f->buses - 1; bus; bus--)
		for (enum kind k = 0; k < KINDS; k++)
			if (collect_items(f, bus, k) < 0)
				return -ENOMEM;
	for (unsigned bus = 0; bus < f->buses; bus++)
		for (enum kind k = 0; k < KINDS; k++)
			if (assign_items(f, bus, k, bus ? window_of(f, bus, k) : root[k]) < 0)
				return -ENOMEM;
	return 0;
}

int firmware_place(const struct firmware_access *a, const struct pci_windows *w,
	struct firmware_result *ret, struct err *e)
{
	struct firmware f = {.a = a, .buses = 1};
	struct firmware_result result = {0};

	int r = scan_bus(&f, 0);
	if (r == -ENOSPC)
		(void)err_say(e, r, "number the guest's PCI buses: more than %d", PCI_BUSES_MAX);
	if (r >= 0)
		r = lay_out_buses(&f, w);
	if (r == -ENOMEM)
		(void)err_set(e, r, "place the guest's PCI devices");
	if (r >= 0) {
		write_items(&f, &result);
		result.buses = f.buses;
		*ret = result;
	}
	free(f.items);
	return r;
}
