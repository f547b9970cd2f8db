/* SPDX-License-Identifier: MIT */
#include "vmm/pci/bar.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#define PHYS_BITS_MAX 52 /* of x86 */

static const char *const bar_names[FUNC_BARS] = {
	"BAR 0", "BAR 1", "BAR 2", "BAR 3", "BAR 4", "BAR 5", "ROM"};

static unsigned bar_reg(const struct func_bar *b)
{
	return b->index == FUNC_BAR_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * b->index;
}

static struct bus *bar_bus(const struct func_bar *b)
{
	return b->kind == FUNC_BAR_IO ? &b->bars->vm->ports : &b->bars->vm->mmio;
}

static uint64_t pow2_up(uint64_t n)
{
	return n <= 1 ? n : UINT64_C(1) << (64 - __builtin_clzll(n - 1));
}

void func_bars_init(struct func_bars *s, struct vm *vm, struct lock *lock,
	const struct func_bar_ops *ops, const uint8_t *config)
{
	*s = (struct func_bars){.vm = vm, .lock = lock, .ops = ops, .config = config};
	for (unsigned i = 0; i < FUNC_BARS; i++)
		s->bar[i] = (struct func_bar){.bars = s, .index = i};
}

/* Ref: PCI Local Bus 6.2.5.1, 6.2.5.2: the least that each kind of register can tell */
static uint64_t size_min(enum func_bar_kind kind)
{
	return kind == FUNC_BAR_EXPANSION ? KIB(2) : kind == FUNC_BAR_IO ? 4 : 16;
}

struct func_bar *func_bar_make(
	struct func_bars *s, unsigned index, enum func_bar_kind kind, uint64_t size)
{
	struct func_bar *b = &s->bar[index];

	if (!size || size > INT64_MAX)
		return b;
	b->size = max_u64(pow2_up(size), size_min(kind));
	b->kind = kind != FUNC_BAR_MEM64 && b->size > UINT32_MAX ? FUNC_BAR_NONE : kind;
	return b;
}

struct func_bar_register func_bar_register(const struct func_bar *b, uint32_t flags)
{
	const uint64_t bits = ~(b->size - 1);
	struct func_bar_register r = {.off = bar_reg(b), .count = 1};

	switch (b->kind) {
	case FUNC_BAR_NONE:
		r.count = 0;
		break;
	case FUNC_BAR_IO:
		r.value[0] = flags & 3;
		r.mask[0] = (uint32_t)bits & ~3U;
		break;
	case FUNC_BAR_MEM64:
		r.count = 2;
		r.mask[1] = (uint32_t)(bits >> 32);
		__attribute__((fallthrough));
	case FUNC_BAR_MEM32:
		r.value[0] = flags & 0xf;
		r.mask[0] = (uint32_t)bits & ~0xfU;
		break;
	case FUNC_BAR_EXPANSION:
		r.mask[0] =
			((uint32_t)bits & (uint32_t)PCI_ROM_ADDRESS_MASK) | PCI_ROM_ADDRESS_ENABLE;
		break;
	}
	return r;
}

static uint64_t piece_read(struct bus_range *range, uint64_t off, unsigned size)
{
	struct func_piece *p = container_of(range, struct func_piece, range);
	struct func_bar *b = p->bar;
	uint64_t v = all_ones(size);

	if (b->bars->ops->read(b, p->off + off, size, &v) && p->host)
		pci_space_cure(b->bars->vm, p);
	return v;
}

static void piece_write(struct bus_range *range, uint64_t off, unsigned size, uint64_t value)
{
	struct func_piece *p = container_of(range, struct func_piece, range);
	struct func_bar *b = p->bar;

	if (b->bars->ops->write(b, p->off + off, size, value) && p->host)
		pci_space_cure(b->bars->vm, p);
}

bool func_is_piece(const struct bus_range *r)
{
	return r->read == piece_read;
}

int func_bar_cut(struct func_bar *b, const struct func_span *spans, unsigned count, struct err *e)
{
	if (!count)
		return 0;
	b->pieces = calloc(count, sizeof(*b->pieces));
	if (!b->pieces)
		return err_set(e, -ENOMEM, "arrange %s", bar_names[b->index]);
	b->piece_count = count;
	for (unsigned i = 0; i < count; i++)
		b->pieces[i] = (struct func_piece){
			.range = {.name = bar_names[b->index],
				.lock = b->bars->lock,
				.size = spans[i].size,
				.read = piece_read,
				.write = piece_write},
			.bar = b,
			.off = spans[i].off,
			.host = spans[i].host,
		};
	return 0;
}

int func_bar_add_doorbell(struct func_bar *b, struct bus_doorbell *d, struct err *e)
{
	for (unsigned i = 0; i < b->piece_count; i++) {
		struct func_piece *p = &b->pieces[i];
		if (p->host || d->off < p->off || d->off - p->off >= p->range.size)
			continue;
		d->off -= p->off;
		return bus_add_doorbell(&p->range, d, e);
	}
	return err_say(e, -EINVAL,
		"add a doorbell at 0x%" PRIx64 " of BAR %u: nothing is trapped there", d->off,
		b->index);
}

void func_bars_wrote(struct func_bars *s, unsigned off, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		struct func_bar *b = &s->bar[i];
		unsigned reg = bar_reg(b), len = b->kind == FUNC_BAR_MEM64 ? 8 : 4;
		uint8_t bytes[8];

		if (b->kind == FUNC_BAR_NONE || off < reg || off - reg >= len)
			continue;
		le32_put(bytes, b->written[0]);
		le32_put(bytes + 4, b->written[1]);
		le_put(bytes + (off - reg), size, value);
		b->written[0] = le32_get(bytes);
		b->written[1] = le32_get(bytes + 4);
	}
}

void func_bars_forget(struct func_bars *s)
{
	for (unsigned i = 0; i < FUNC_BARS; i++)
		memset(s->bar[i].written, 0, sizeof(s->bar[i].written));
}

/* The address in the register. Return: 0 for a ROM that is off. */
static uint64_t bar_address(const struct func_bar *b)
{
	const uint8_t *reg = b->bars->config + bar_reg(b);
	const uint32_t low = le32_get(reg);

	switch (b->kind) {
	case FUNC_BAR_IO:
		return low & PCI_BASE_ADDRESS_IO_MASK;
	case FUNC_BAR_EXPANSION:
		return low & PCI_ROM_ADDRESS_ENABLE ? low & PCI_ROM_ADDRESS_MASK : 0;
	case FUNC_BAR_MEM64:
		return (uint64_t)le32_get(reg + 4) << 32 |
		       (low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
	case FUNC_BAR_MEM32:
	case FUNC_BAR_NONE:
		break;
	}
	return low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
}

/*
 * Where the BAR is to be. A register that holds the very all-ones of a size probe is no address:
 * software may probe with decoding on, one half of a 64-bit BAR at a time. Return: 0 for nowhere.
 */
static uint64_t bar_wanted(const struct func_bar *b, unsigned decode)
{
	const unsigned needed = b->kind == FUNC_BAR_IO ? FUNC_DECODE_IO : FUNC_DECODE_MEM;
	const uint64_t end = b->kind == FUNC_BAR_IO      ? BIT64(16)
			     : b->kind == FUNC_BAR_MEM64 ? BIT64(PHYS_BITS_MAX)
							 : BIT64(32);

	if (b->kind == FUNC_BAR_NONE || !(decode & needed) || b->written[0] == UINT32_MAX ||
		b->written[1] == UINT32_MAX)
		return 0;
	const uint64_t at = bar_address(b);
	return range_ok(at, b->size, end) ? at : 0;
}

/* Puts the pieces of @b in front of @list. */
static struct func_piece *bar_batch(struct func_bar *b, struct func_piece *list)
{
	for (unsigned i = b->piece_count; i--;) {
		b->pieces[i].batch = list;
		list = &b->pieces[i];
	}
	return list;
}

/* Return: whether a place is free now. */
static bool leave_places(struct func_bars *s, const uint64_t *at)
{
	struct func_piece *list = NULL;

	for (unsigned i = FUNC_BARS; i--;) {
		struct func_bar *b = &s->bar[i];
		if (!b->at || at[i] == b->at)
			continue;
		list = bar_batch(b, list);
		b->at = 0;
	}
	return list && pci_space_leave(s->vm, list);
}

static void tell_misplaced(struct func_bars *s, const struct func_piece *list)
{
	for (const struct func_piece *p = list; p && s->ops->misplaced; p = p->batch) {
		struct err e = {0};
		if (pci_space_check(s->vm, p, &e) < 0)
			s->ops->misplaced(p->bar, p->bar->at, e.msg);
	}
}

static void take_places(struct func_bars *s, const uint64_t *at)
{
	struct func_piece *list = NULL;

	for (unsigned i = FUNC_BARS; i--;) {
		struct func_bar *b = &s->bar[i];
		if (!at[i] || b->at)
			continue;
		list = bar_batch(b, list);
		b->at = at[i];
		for (unsigned k = 0; k < b->piece_count; k++) {
			b->pieces[k].bus = bar_bus(b);
			b->pieces[k].range.base = b->at + b->pieces[k].off;
		}
	}
	if (!list)
		return;
	pci_space_place(s->vm, list);
	tell_misplaced(s, list);
}

void func_bars_place(struct func_bars *s, unsigned decode)
{
	uint64_t at[FUNC_BARS];

	for (unsigned i = 0; i < FUNC_BARS; i++)
		at[i] = bar_wanted(&s->bar[i], decode);
	bool left = leave_places(s, at);
	take_places(s, at);
	if (left)
		pci_space_settle(s->vm);
}

bool func_bars_fault(struct func_bars *s)
{
	bool any = false;

	for (unsigned i = 0; i < FUNC_BARS; i++)
		for (unsigned k = 0; k < s->bar[i].piece_count; k++)
			any |= pci_space_fault(s->vm, &s->bar[i].pieces[k]);
	return any;
}

bool func_bars_placed(const struct func_bars *s)
{
	for (unsigned i = 0; i < FUNC_BARS; i++)
		if (s->bar[i].at)
			return true;
	return false;
}

void func_bars_hide(struct func_bars *s)
{
	if (s->vm)
		func_bars_place(s, FUNC_DECODE_NONE);
}

void func_bars_fini(struct func_bars *s)
{
	func_bars_hide(s);
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		for (unsigned k = 0; k < s->bar[i].piece_count; k++)
			bus_range_wait(&s->bar[i].pieces[k].range);
		free(s->bar[i].pieces);
		s->bar[i] = (struct func_bar){.bars = s, .index = i};
	}
}
