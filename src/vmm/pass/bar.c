/* SPDX-License-Identifier: MIT */
#include "vmm/pass/bar.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/trace.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(FUNC_BAR_ROM == VFIO_PCI_ROM_REGION_INDEX, "the ROM is the region after the BARs");

static struct pass_dev *bar_device(const struct func_bar *b)
{
	return container_of(b->bars, struct pass_dev, bars);
}

static struct vfio_region *bar_region(const struct func_bar *b)
{
	return &bar_device(b)->regions[b->index].vfio;
}

static bool in_a_hole(const struct pass_hole *holes, unsigned count, uint64_t page)
{
	for (unsigned i = 0; i < count; i++)
		if (page < holes[i].off + holes[i].size && holes[i].off < page + MEMORY_PAGE)
			return true;
	return false;
}

/* The next offset after @from where the answer to "is it in a hole" may change, @end at most. */
static uint64_t hole_edge(
	const struct pass_hole *holes, unsigned count, uint64_t from, uint64_t end)
{
	uint64_t next = end;

	for (unsigned i = 0; i < count; i++) {
		uint64_t start = align_down(holes[i].off, MEMORY_PAGE);
		uint64_t stop = align_up(holes[i].off + holes[i].size, MEMORY_PAGE);
		if (start > from && start < next)
			next = start;
		if (stop > from && stop < next)
			next = stop;
	}
	return next;
}

static unsigned add_span(
	struct pass_span *spans, unsigned count, uint64_t off, uint64_t end, bool mapped)
{
	if (off >= end)
		return count;
	if (count && spans[count - 1].mapped == mapped) {
		spans[count - 1].size = end - spans[count - 1].off;
		return count;
	}
	spans[count] = (struct pass_span){.off = off, .size = end - off, .mapped = mapped};
	return count + 1;
}

unsigned pass_bar_cut(const struct vfio_region *r, const struct pass_hole *holes, unsigned count,
	struct pass_span ret[PASS_SPANS_MAX])
{
	unsigned n = 0;
	uint64_t done = 0;

	for (size_t i = 0; i < r->area_count; i++) {
		uint64_t at = align_up(r->areas[i].off, MEMORY_PAGE);
		uint64_t end = align_down(r->areas[i].off + r->areas[i].size, MEMORY_PAGE);
		/* Each area ends on at most two holes' edges more than it began with. */
		while (at < end && n < PASS_SPANS_MAX - 2) {
			uint64_t edge = hole_edge(holes, count, at, end);
			bool hole = in_a_hole(holes, count, at);
			n = add_span(ret, n, done, at, false);
			n = add_span(ret, n, at, edge, !hole);
			at = done = edge;
		}
	}
	return add_span(ret, n, done, r->size, false);
}

static bool is_traced(const struct func_bar *b)
{
	return bar_device(b)->trace >> b->index & 1;
}

static void access_failed(const struct func_bar *b, const char *what, uint64_t off, int r)
{
	struct pass_dev *d = bar_device(b);

	log_guest(&d->misdeeds.access, d->name, "%s of %s at 0x%" PRIx64 ": %s", what,
		b->pieces[0].range.name, off, strerror(-r));
}

WALL_CALL(vcpu, pread64);
WALL_CALL(vcpu, pwrite64);

/*
 * VFIO serves pread(2) and pwrite(2) under the very condition under which it serves the pages: an
 * access that succeeds means that they are there.
 */
static bool region_read(struct func_bar *b, uint64_t off, unsigned size, uint64_t *ret)
{
	struct pass_dev *d = bar_device(b);

	if (b->kind == FUNC_BAR_EXPANSION) {
		*ret = pass_rom_read(d, off, size);
		return false;
	}
	if (func_msix_read(&d->msix.guest, b->index, off, size, ret))
		return false;
	int r = vfio_region_get(&d->vfio, bar_region(b), off, size, ret);
	if (r >= 0)
		return true;
	access_failed(b, "read", off, r);
	*ret = all_ones(size);
	return false;
}

static bool bar_read(struct func_bar *b, uint64_t off, unsigned size, uint64_t *ret)
{
	bool answered = region_read(b, off, size, ret);

	if (is_traced(b))
		trace_access(b, off, size, *ret, TRACE_READ);
	return answered;
}

static bool bar_write(struct func_bar *b, uint64_t off, unsigned size, uint64_t value)
{
	struct pass_dev *d = bar_device(b);

	if (is_traced(b))
		trace_access(b, off, size, value, TRACE_WRITE);
	if (b->kind == FUNC_BAR_EXPANSION)
		return false;
	if (func_msix_write(&d->msix.guest, b->index, off, size, value)) {
		pass_ask_wait(d);
		return false;
	}
	int r = vfio_region_put(&d->vfio, bar_region(b), off, size, value);
	if (r < 0)
		access_failed(b, "write", off, r);
	return r >= 0;
}

static void bar_misplaced(struct func_bar *b, uint64_t at, const char *why)
{
	struct pass_dev *d = bar_device(b);

	log_guest(&d->misdeeds.place, d->name,
		"the guest put %s at 0x%" PRIx64 ", where it cannot be: %s",
		b->pieces[0].range.name, at, why);
}

static const struct func_bar_ops pass_bar_ops = {
	.read = bar_read, .write = bar_write, .misplaced = bar_misplaced};

/*
 * The kernel maps a device's pages by 2 MiB and 1 GiB only where address and page number agree in
 * their low bits: the reservation is aligned as the BAR is. Return: the pages, NULL without.
 */
static void *map_span(const struct func_bar *b, const struct pass_span *s)
{
	struct pass_dev *d = bar_device(b);
	struct pass_region *region = &d->regions[b->index];
	uint64_t align = min_u64(max_u64(b->size, MEMORY_PAGE), GIB(1));
	uint64_t size = align_up(region->vfio.size, MEMORY_PAGE);
	void *host = NULL;

	int r = region->reserve.at ? 0 : pass_reserve_make(&region->reserve, size, align);
	if (r >= 0)
		r = pass_reserve_map(
			&region->reserve, &d->vfio, &region->vfio, s->off, s->size, &host);
	if (r >= 0)
		return host;
	log_warn(d->name, "cannot map BAR %u at 0x%" PRIx64 ", so each access exits: %s", b->index,
		s->off, strerror(-r));
	return NULL;
}

static bool may_be_mapped(const struct func_bar *b)
{
	return !is_traced(b) && b->kind != FUNC_BAR_IO && b->kind != FUNC_BAR_EXPANSION;
}

static int make_pieces(struct func_bar *b, struct err *e)
{
	struct pass_span cut[PASS_SPANS_MAX];
	struct func_span spans[PASS_SPANS_MAX];
	struct pass_hole holes[2];
	unsigned hole_count = pass_msix_holes(bar_device(b), b->index, holes);
	unsigned count = pass_bar_cut(bar_region(b), holes, hole_count, cut);

	for (unsigned i = 0; i < count; i++)
		spans[i] = (struct func_span){.off = cut[i].off,
			.size = cut[i].size,
			.host = cut[i].mapped && may_be_mapped(b) ? map_span(b, &cut[i]) : NULL};
	return func_bar_cut(b, spans, count, e);
}

/*
 * The kind of a BAR from the flags that VFIO leaves in its register (the address is masked to 0);
 * a 64-bit one in the last register has no upper half.
 */
static enum func_bar_kind kind_of(uint32_t reg, unsigned index)
{
	if (index == FUNC_BAR_ROM)
		return FUNC_BAR_EXPANSION;
	if (reg & PCI_BASE_ADDRESS_SPACE_IO)
		return FUNC_BAR_IO;
	if ((reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) != PCI_BASE_ADDRESS_MEM_TYPE_64)
		return FUNC_BAR_MEM32;
	return index < PCI_STD_NUM_BARS - 1 ? FUNC_BAR_MEM64 : FUNC_BAR_NONE;
}

static int init_bar(struct pass_dev *d, unsigned index, struct err *e)
{
	struct vfio_region *region = &d->regions[index].vfio;
	uint32_t reg = le32_get(d->config.raw + PCI_BASE_ADDRESS_0 + index * sizeof(uint32_t));

	if (index >= d->vfio.region_count)
		return 0;
	if (index == FUNC_BAR_ROM && d->rom.source == PASS_ROM_OFF)
		return 0;
	int r = vfio_region_info(&d->vfio, index, region, e);
	if (r < 0)
		return r;
	if (index == FUNC_BAR_ROM && d->rom.source == PASS_ROM_FILE)
		*region = (struct vfio_region){.index = index, .size = d->rom.size};
	const struct func_bar *b =
		func_bar_make(&d->bars, index, kind_of(reg, index), region->size);
	const struct func_bar_register made = func_bar_register(b, reg);
	for (unsigned i = 0; i < made.count; i++)
		pass_config_emulate(&d->config, made.off + 4 * i, 4, made.value[i], made.mask[i]);
	return 0;
}

int pass_bars_init(struct pass_dev *d, struct err *e)
{
	func_bars_init(&d->bars, d->vm, d->func.lock, &pass_bar_ops, d->config.value);
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		int r = init_bar(d, i, e);
		if (r < 0)
			return r;
		if (d->bars.bar[i].kind == FUNC_BAR_MEM64)
			i++; /* its upper half is no BAR of its own */
	}
	return 0;
}

int pass_bars_map(struct pass_dev *d, struct err *e)
{
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		struct func_bar *b = &d->bars.bar[i];
		int r = b->kind == FUNC_BAR_NONE ? 0 : make_pieces(b, e);
		if (r < 0)
			return r;
	}
	return 0;
}

void pass_bars_release(struct pass_dev *d)
{
	func_bars_hide(&d->bars);
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		pass_reserve_free(&d->regions[i].reserve);
		for (unsigned k = 0; k < d->bars.bar[i].piece_count; k++)
			d->bars.bar[i].pieces[k].host = NULL;
	}
}
