/* SPDX-License-Identifier: MIT */
#include "engine/fit/bars.h"

#include "base/num.h"
#include "bind/problem.h"
#include "engine/spec.h"
#include "pci/aperture.h"
#include "pci/bar.h"
#include "vfio/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* A bridge forwards 64-bit addresses only through its prefetchable window. */
enum kind { KIND_IO, KIND_MEM32, KIND_MEM64, KINDS };

static const uint64_t granule[KINDS] = {
	[KIND_IO] = KIB(4), [KIND_MEM32] = MIB(1), [KIND_MEM64] = MIB(1)};

static enum kind kind_of(const struct pci_bar *b)
{
	if (b->kind == PCI_BAR_IO)
		return KIND_IO;
	return b->kind == PCI_BAR_MEM64 && b->prefetchable ? KIND_MEM64 : KIND_MEM32;
}

/*
 * The target that owns the root port of target @i: function 0 of its device if that is a target,
 * else @i itself, as in vmm/machine.
 */
static size_t port_of(const struct bind_request *q, size_t i)
{
	struct pci_address a = q->targets[i].address;

	for (size_t k = 0; a.fn && k < q->target_count; k++)
		if (!q->targets[k].address.fn && pci_address_same_slot(a, q->targets[k].address))
			return k;
	return i;
}

/* All BARs of one kind behind the root port of target @port. */
static struct pci_claim window_of(
	struct host *h, const struct bind_request *q, size_t port, enum kind kind)
{
	struct pci_claim claims[8 * PCI_BAR_MAX];
	struct pci_bar bars[PCI_BAR_MAX];
	size_t n = 0;

	for (size_t i = 0; i < q->target_count; i++) {
		if (port_of(q, i) != port)
			continue;
		int count = pci_bar_read(h, q->targets[i].address, bars, NULL);
		for (int k = 0; k < count; k++)
			if (kind_of(&bars[k]) == kind && n < COUNT(claims))
				claims[n++] = (struct pci_claim){
					.size = bars[k].size, .align = bars[k].size};
	}
	return pci_aperture_sum(claims, n, granule[kind]);
}

void bars_need(
	struct host *h, const struct bind_request *q, uint64_t *ret_mem32, uint64_t *ret_mem64)
{
	*ret_mem32 = *ret_mem64 = 0;
	for (size_t i = 0; i < q->target_count; i++) {
		if (port_of(q, i) != i)
			continue;
		*ret_mem32 += window_of(h, q, i, KIND_MEM32).size;
		*ret_mem64 += window_of(h, q, i, KIND_MEM64).size;
	}
}

int bars_check_sum(struct host *h, struct bars_room room, const struct bind_request *q,
	const struct problem_kind *kind, struct bind_plan *p)
{
	struct pci_bar bars[PCI_BAR_MAX];
	uint64_t low = 0, all = 0;

	for (size_t i = 0; i < q->target_count; i++) {
		int count = pci_bar_read(h, q->targets[i].address, bars, NULL);
		for (int k = 0; k < count; k++) {
			bool ports = bars[k].kind == PCI_BAR_IO;
			low += ports || bars[k].kind == PCI_BAR_MEM64 ? 0 : bars[k].size;
			all += ports ? 0 : bars[k].size;
		}
	}
	if (low <= room.low && all <= room.high)
		return 0;
	bool is_low = low > room.low;
	int r = bind_problem_add(p, q, kind, "host",
		"the devices' BARs need %" PRIu64 " MiB %s, and the guest can address %" PRIu64
		" there",
		((is_low ? low : all) >> 20), is_low ? "below 4 GiB" : "beside its memory",
		((is_low ? room.low : room.high) >> 20));
	return r < 0 ? r : 1;
}

static int report_window(struct bind_plan *p, const struct bind_request *q, enum kind kind,
	const struct pci_claim *claim, struct pci_address a)
{
	/* Current drivers do not need I/O ports. */
	static const struct problem_kind kinds[KINDS] = {
		[KIND_IO] = {"bars", PROBLEM_WARNS, NULL},
		[KIND_MEM32] = {"bars", PROBLEM_REFUSES, "give the guest fewer devices"},
		[KIND_MEM64] = {"bars", PROBLEM_REFUSES,
			"give the guest fewer devices, or less "
			"memory"},
	};
	static const char *const names[KINDS] = {"ports", "32-bit memory", "64-bit memory"};
	char address[PCI_ADDRESS_TEXT];

	return bind_problem_add(p, q, &kinds[kind], pci_address_format(a, address),
		"its BARs need %" PRIu64 " KiB of %s, and the guest has no more",
		(claim->size >> 10), names[kind]);
}

int bars_check(struct host *h, const struct layout *layout, const struct bind_request *q,
	struct bind_plan *p)
{
	const struct layout_range room[KINDS] = {
		[KIND_IO] = {LAYOUT_IO_BASE, LAYOUT_IO_SIZE},
		[KIND_MEM32] = {LAYOUT_MEM32_BASE, LAYOUT_MEM32_SIZE},
		[KIND_MEM64] = layout->mem64,
	};
	struct pci_claim claims[SPEC_DEVICES_MAX];
	struct pci_address of[SPEC_DEVICES_MAX];
	int r = 0;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		size_t n = 0;
		for (size_t i = 0; i < q->target_count && n < COUNT(claims); i++) {
			if (port_of(q, i) != i)
				continue;
			claims[n] = window_of(h, q, i, kind);
			of[n] = q->targets[i].address;
			n += claims[n].size != 0;
		}
		(void)pci_aperture_place(claims, n, room[kind].base, room[kind].size);
		for (size_t i = 0; i < n && r == 0; i++)
			if (!claims[i].base)
				r = report_window(p, q, kind, &claims[i], of[i]);
	}
	return r;
}
