/* SPDX-License-Identifier: MIT */
#include "vmm/pass/bar.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/trace.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PASS_ROM == VFIO_PCI_ROM_REGION_INDEX, "the ROM is the region after the BARs");

static unsigned reg_of(const struct pass_bar *b)
{
	return b->kind == PASS_BAR_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * b->index;
}

static uint64_t pow2_up(uint64_t n)
{
	return n <= 1 ? n : UINT64_C(1) << (64 - __builtin_clzll(n - 1));
}

/*
 * The kind of a BAR from the flags that VFIO leaves in its register (the address is masked to 0);
 * a 64-bit one in the last register has no upper half.
 */
static enum pass_bar_kind kind_of(uint32_t reg, unsigned index)
{
	if (reg & PCI_BASE_ADDRESS_SPACE_IO)
		return PASS_BAR_IO;
	if ((reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) != PCI_BASE_ADDRESS_MEM_TYPE_64)
		return PASS_BAR_MEM32;
	return index < PCI_STD_NUM_BARS - 1 ? PASS_BAR_MEM64 : PASS_BAR_NONE;
}

/* The register: its flags, and as many address bits as the size leaves. */
static void emulate_reg(struct pass_bar *b, uint32_t flags)
{
	struct pass_config *c = &b->dev->config;
	uint64_t bits = ~(b->size - 1);
	unsigned reg = reg_of(b);

	switch (b->kind) {
	case PASS_BAR_IO:
		pass_config_emulate(c, reg, 4, flags & 3, (uint32_t)bits & ~3U);
		break;
	case PASS_BAR_MEM64:
		pass_config_emulate(c, reg + 4, 4, 0, (uint32_t)(bits >> 32));
		pass_config_emulate(c, reg, 4, flags & 0xf, (uint32_t)bits & ~0xfU);
		break;
	case PASS_BAR_MEM32:
		pass_config_emulate(c, reg, 4, flags & 0xf, (uint32_t)bits & ~0xfU);
		break;
	case PASS_BAR_ROM:
		pass_config_emulate(c, reg, 4, 0,
			((uint32_t)bits & (uint32_t)PCI_ROM_ADDRESS_MASK) | PCI_ROM_ADDRESS_ENABLE);
		break;
	case PASS_BAR_NONE:
		break;
	}
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

static struct memory_range range_of(const struct pass_piece *p)
{
	return (struct memory_range){
		.gpa = GPA(p->range.base), .size = p->size, .host = p->host, .kind = MEMORY_DEVICE};
}

static bool is_traced(const struct pass_bar *b)
{
	return b->dev->trace >> b->index & 1;
}

/*
 * A piece that a fault had trapped: VFIO gives it to pread(2) and pwrite(2) under the very condition
 * under which its pages can be mapped. Where there is no room in memory any more, it stays.
 */
static void map_again(struct pass_piece *p)
{
	struct vm *vm = p->bar->dev->vm;
	struct memory_range m = range_of(p);

	p->trapped = false;
	p->in_memory = memory_add(&vm->memory, &m, NULL) >= 0;
	if (!p->in_memory)
		return;
	bus_remove(&vm->mmio, &p->range);
	p->on_bus = false;
}

static uint64_t bar_read(struct pass_piece *p, uint64_t off, unsigned size)
{
	struct pass_bar *b = p->bar;
	uint64_t v;

	if (b->kind == PASS_BAR_ROM)
		return pass_rom_read(b->dev, off, size);
	if (pass_msix_read(b->dev, b->index, off, size, &v))
		return v;
	int r = vfio_region_get(&b->dev->vfio, &b->region, off, size, &v);
	if (r < 0) {
		log_guest(&b->dev->misdeeds.access, b->dev->name, "read of %s at 0x%llx: %s",
			p->range.name, (unsigned long long)off, strerror(-r));
		return all_ones(size);
	}
	if (p->trapped)
		map_again(p);
	return v;
}

static uint64_t piece_read(struct bus_range *range, uint64_t off, unsigned size)
{
	struct pass_piece *p = container_of(range, struct pass_piece, range);
	uint64_t v = bar_read(p, p->off + off, size);

	if (is_traced(p->bar))
		trace_access(p->bar, p->off + off, size, v, TRACE_READ);
	return v;
}

static void piece_write(struct bus_range *range, uint64_t off, unsigned size, uint64_t value)
{
	struct pass_piece *p = container_of(range, struct pass_piece, range);
	struct pass_bar *b = p->bar;

	off += p->off;
	if (is_traced(b))
		trace_access(b, off, size, value, TRACE_WRITE);
	if (b->kind == PASS_BAR_ROM || pass_msix_write(b->dev, b->index, off, size, value))
		return;
	int r = vfio_region_put(&b->dev->vfio, &b->region, off, size, value);
	if (r < 0)
		log_guest(&b->dev->misdeeds.access, b->dev->name, "write of %s at 0x%llx: %s",
			range->name, (unsigned long long)off, strerror(-r));
	else if (p->trapped)
		map_again(p);
}

bool pass_is_range(const struct bus_range *r)
{
	return r->read == piece_read;
}

/*
 * The kernel maps a device's pages by 2 MiB and 1 GiB only where address and page number agree in
 * their low bits: the reservation is aligned as the BAR is.
 */
static void map_piece(struct pass_bar *b, struct pass_piece *p)
{
	uint64_t align = min_u64(max_u64(b->size, MEMORY_PAGE), GIB(1));
	int r = 0;

	if (!b->reserve.at)
		r = pass_reserve_make(&b->reserve, align_up(b->region.size, MEMORY_PAGE), align);
	if (r >= 0)
		r = pass_reserve_map(
			&b->reserve, &b->dev->vfio, &b->region, p->off, p->size, &p->host);
	if (r >= 0)
		return;
	p->host = NULL;
	log_warn(b->dev->name, "cannot map BAR %u at 0x%" PRIx64 ", so each access exits: %s",
		b->index, p->off, strerror(-r));
}

static int make_pieces(struct pass_bar *b, struct err *e)
{
	static const char *const names[PASS_BARS] = {
		"BAR 0", "BAR 1", "BAR 2", "BAR 3", "BAR 4", "BAR 5", "ROM"};
	struct pass_span spans[PASS_SPANS_MAX];
	struct pass_hole holes[2];
	unsigned nr_holes = pass_msix_holes(b->dev, b->index, holes);
	unsigned count = pass_bar_cut(&b->region, holes, nr_holes, spans);

	if (!count)
		return 0;
	b->pieces = calloc(count, sizeof(*b->pieces));
	if (!b->pieces)
		return err_set(e, -ENOMEM, "arrange BAR %u", b->index);
	b->piece_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct pass_piece *p = &b->pieces[i];
		p->bar = b;
		p->off = spans[i].off;
		p->size = spans[i].size;
		p->range = (struct bus_range){
			.name = names[b->index], .read = piece_read, .write = piece_write};
		if (spans[i].mapped && !is_traced(b) && b->kind != PASS_BAR_IO &&
			b->kind != PASS_BAR_ROM)
			map_piece(b, p);
	}
	return 0;
}

static int init_bar(struct pass_dev *d, unsigned index, struct err *e)
{
	struct pass_bar *b = &d->bars[index];
	uint32_t reg = le32_get(d->config.raw + PCI_BASE_ADDRESS_0 + index * sizeof(uint32_t));

	b->dev = d;
	b->index = index;
	if (index >= d->vfio.region_count)
		return 0;
	if (index == PASS_ROM && d->rom.source == PASS_ROM_OFF)
		return 0;
	int r = vfio_region_info(&d->vfio, index, &b->region, e);
	if (r < 0)
		return r;
	if (index == PASS_ROM && d->rom.source == PASS_ROM_FILE)
		b->region = (struct vfio_region){.index = index, .size = d->rom.size};
	if (!b->region.size || b->region.size > INT64_MAX)
		return 0;
	b->size = max_u64(pow2_up(b->region.size), index == PASS_ROM ? KIB(2) : 4);
	b->kind = index == PASS_ROM ? PASS_BAR_ROM : kind_of(reg, index);
	if (b->kind == PASS_BAR_MEM32)
		b->size = max_u64(b->size, 16);
	if (b->kind != PASS_BAR_MEM64 && b->size > UINT32_MAX)
		b->kind = PASS_BAR_NONE;
	if (b->kind == PASS_BAR_NONE)
		return 0;
	emulate_reg(b, reg);
	return 0;
}

int pass_bars_init(struct pass_dev *d, struct err *e)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		int r = init_bar(d, i, e);
		if (r < 0)
			return r;
		if (d->bars[i].kind == PASS_BAR_MEM64)
			i++; /* its upper half is no BAR of its own */
	}
	return 0;
}

int pass_bars_map(struct pass_dev *d, struct err *e)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		int r = d->bars[i].kind == PASS_BAR_NONE ? 0 : make_pieces(&d->bars[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

void pass_bars_wrote(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		unsigned reg = reg_of(b), len = b->kind == PASS_BAR_MEM64 ? 8 : 4;
		uint8_t bytes[8];

		if (b->kind == PASS_BAR_NONE || off < reg || off - reg >= len)
			continue;
		le32_put(bytes, b->written[0]);
		le32_put(bytes + 4, b->written[1]);
		le_put(bytes + (off - reg), size, value);
		b->written[0] = le32_get(bytes);
		b->written[1] = le32_get(bytes + 4);
	}
}

static struct bus *bus_of(const struct pass_bar *b)
{
	struct vm *vm = b->dev->vm;

	return b->kind == PASS_BAR_IO ? &vm->ports : &vm->mmio;
}

static void unmap_piece(struct pass_piece *p)
{
	struct vm *vm = p->bar->dev->vm;

	if (!p->in_memory)
		return;
	(void)memory_remove(&vm->memory, GPA(p->range.base));
	p->in_memory = false;
	vm_cured(vm);
}

static void take_away(struct pass_bar *b)
{
	for (unsigned i = 0; i < b->piece_count; i++) {
		struct pass_piece *p = &b->pieces[i];
		unmap_piece(p);
		if (p->on_bus)
			bus_remove(bus_of(b), &p->range);
		p->on_bus = p->trapped = false;
	}
	b->placed = false;
}

static bool is_nowhere(const struct pass_piece *p)
{
	return !p->in_memory && !p->on_bus;
}

static void place_piece(struct pass_piece *p, struct err *e)
{
	struct pass_bar *b = p->bar;
	struct memory_range m = range_of(p);

	p->in_memory = p->host && memory_add(&b->dev->vm->memory, &m, e) >= 0;
	/* Not mapped, or no room for one more memslot: slower, not wrong. */
	if (!p->in_memory && e->code != -EEXIST)
		p->on_bus = bus_add(bus_of(b), &p->range, e) >= 0;
}

static void place(struct pass_bar *b, uint64_t at)
{
	b->at = at;
	b->placed = true;
	for (unsigned i = 0; i < b->piece_count; i++) {
		struct pass_piece *p = &b->pieces[i];
		struct err e = {0};
		p->range.base = at + p->off;
		p->range.size = p->size;
		place_piece(p, &e);
		if (is_nowhere(p))
			log_guest(&b->dev->misdeeds.place, b->dev->name,
				"the guest put %s at 0x%llx, where it cannot be: %s", p->range.name,
				(unsigned long long)at, e.msg);
	}
}

void pass_bars_retry(struct pass_dev *d)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		for (unsigned k = 0; b->placed && k < b->piece_count; k++) {
			struct err e = {0};
			if (is_nowhere(&b->pieces[k]))
				place_piece(&b->pieces[k], &e);
		}
	}
}

struct bus_range *pass_bars_find(struct pass_dev *d, uint64_t addr, unsigned size)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		for (unsigned k = 0; b->placed && k < b->piece_count; k++) {
			struct pass_piece *p = &b->pieces[k];
			if (p->in_memory && addr >= p->range.base &&
				range_ok(addr - p->range.base, size, p->size))
				return &p->range;
		}
	}
	return NULL;
}

bool pass_bars_trap(struct pass_dev *d)
{
	bool any = false;

	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		for (unsigned k = 0; k < b->piece_count; k++) {
			struct pass_piece *p = &b->pieces[k];
			if (!p->in_memory)
				continue;
			unmap_piece(p);
			p->trapped = true;
			p->on_bus = bus_add(bus_of(b), &p->range, NULL) >= 0;
			any = true;
		}
	}
	return any;
}

void pass_bars_release(struct pass_dev *d)
{
	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		if (b->placed)
			take_away(b);
		pass_reserve_free(&b->reserve);
		for (unsigned k = 0; k < b->piece_count; k++)
			b->pieces[k].host = NULL;
	}
}

void pass_bars_fini(struct pass_dev *d)
{
	pass_bars_release(d);
	for (unsigned i = 0; i < PASS_BARS; i++) {
		free(d->bars[i].pieces);
		d->bars[i] = (struct pass_bar){0};
	}
}

/*
 * Where the register says the BAR is. A register that holds the very all-ones of a size probe is
 * no address: software may probe with decoding on, one half of a 64-bit BAR at a time.
 * Return: false when it is nowhere.
 */
static bool wanted(const struct pass_bar *b, unsigned decode, uint64_t *ret)
{
	unsigned needed = b->kind == PASS_BAR_IO ? PASS_DECODE_IO : PASS_DECODE_MEM;
	uint64_t end = BIT64(32);

	if (b->kind == PASS_BAR_NONE || !(decode & needed) || b->written[0] == UINT32_MAX ||
		b->written[1] == UINT32_MAX)
		return false;
	const struct pass_config *c = &b->dev->config;
	uint64_t at = pass_config_get(c, reg_of(b), 4);
	if (b->kind == PASS_BAR_IO) {
		at &= PCI_BASE_ADDRESS_IO_MASK;
		end = BIT64(16);
	} else if (b->kind == PASS_BAR_ROM) {
		if (!(at & PCI_ROM_ADDRESS_ENABLE))
			return false;
		at &= PCI_ROM_ADDRESS_MASK;
	} else {
		at &= PCI_BASE_ADDRESS_MEM_MASK;
	}
	if (b->kind == PASS_BAR_MEM64) {
		at |= (uint64_t)pass_config_get(c, reg_of(b) + 4, 4) << 32;
		end = BIT64(52); /* the widest physical address of x86 */
	}
	*ret = at;
	return at && range_ok(at, b->size, end);
}

void pass_bars_place(struct pass_dev *d, unsigned decode)
{
	uint64_t at[PASS_BARS];
	bool want[PASS_BARS], left = false;

	for (unsigned i = 0; i < PASS_BARS; i++) {
		struct pass_bar *b = &d->bars[i];
		want[i] = wanted(b, decode, &at[i]);
		if (b->placed && (!want[i] || at[i] != b->at)) {
			take_away(b);
			left = true;
		}
	}
	for (unsigned i = 0; i < PASS_BARS; i++)
		if (want[i] && !d->bars[i].placed)
			place(&d->bars[i], at[i]);
	if (left)
		pass_make_room(d);
}
