/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The invariant: a piece is in guest memory if and only if it is FUNC_PIECE_MAPPED, and on a bus if
 * and only if it is FUNC_PIECE_TRAPPED or FUNC_PIECE_FAULTED. Nothing in memory or on a bus overlaps
 * anything else in memory or on the same bus: RAM, the machine's registers, other pieces.
 *
 * vmm/memory and vmm/bus each refuse overlaps among their own ranges only. So a place is looked up
 * in both before a piece goes into either. From then on the place belongs to the piece: between
 * mapped and faulted it moves from one list to the other under the lock, and cannot be refused.
 *
 *	OFF -> MAPPED | TRAPPED | WAITING	place
 *	WAITING -> MAPPED | TRAPPED		settle
 *	MAPPED -> FAULTED			fault
 *	FAULTED -> MAPPED | TRAPPED		cure (trapped when no memory range is left)
 *	any -> OFF				leave
 */
#include "vmm/pci/space.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>

static bool is_on_bus(const struct func_piece *p)
{
	return p->state == FUNC_PIECE_TRAPPED || p->state == FUNC_PIECE_FAULTED;
}

static int check_memory_free(const struct memory *m, const struct bus_range *r, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct memory_range *o = &m->ranges[i];
		if (r->base < o->gpa.v + o->size && o->gpa.v < r->base + r->size)
			return err_say(e, -EEXIST, "overlaps %s at 0x%" PRIx64,
				o->kind == MEMORY_RAM ? "RAM" : "a mapped BAR", o->gpa.v);
	}
	return 0;
}

static int piece_map(struct vm *vm, struct func_piece *p)
{
	const struct memory_range m = {.gpa = GPA(p->range.base),
		.size = p->range.size,
		.host = p->host,
		.kind = MEMORY_DEVICE};

	return p->host ? memory_add(&vm->memory, &m, NULL) : -ENOTSUP;
}

static void piece_unmap(struct vm *vm, const struct func_piece *p)
{
	(void)memory_remove(&vm->memory, GPA(p->range.base));
	vm_cured(vm);
}

/* From nowhere to memory or @bus. */
static int piece_settle(struct vm *vm, struct func_piece *p, struct bus *bus, struct err *e)
{
	int r = bus == &vm->mmio ? check_memory_free(&vm->memory, &p->range, e) : 0;

	if (r < 0)
		return r;
	r = bus_check(bus, &p->range, e);
	if (r < 0)
		return r;
	if (bus == &vm->mmio && piece_map(vm, p) >= 0) {
		p->state = FUNC_PIECE_MAPPED;
		return 0;
	}
	r = bus_add(bus, &p->range, e);
	if (r >= 0)
		p->state = FUNC_PIECE_TRAPPED;
	return r;
}

int pci_space_place(
	struct vm *vm, struct func_piece *p, struct bus *bus, uint64_t base, struct err *e)
{
	struct func_piece **tail = &vm->space.first;

	(void)pthread_mutex_lock(&vm->space.lock);
	p->range.base = base;
	p->bus = bus;
	p->state = FUNC_PIECE_WAITING;
	p->next = NULL;
	while (*tail)
		tail = &(*tail)->next;
	*tail = p;
	int r = piece_settle(vm, p, bus, e);
	(void)pthread_mutex_unlock(&vm->space.lock);
	return r;
}

bool pci_space_leave(struct vm *vm, struct func_piece *p)
{
	struct func_piece **at = &vm->space.first;

	(void)pthread_mutex_lock(&vm->space.lock);
	const bool had_place = p->state == FUNC_PIECE_MAPPED || is_on_bus(p);
	if (p->state == FUNC_PIECE_MAPPED)
		piece_unmap(vm, p);
	else if (is_on_bus(p))
		bus_remove(p->bus, &p->range);
	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	p->state = FUNC_PIECE_OFF;
	(void)pthread_mutex_unlock(&vm->space.lock);
	return had_place;
}

void pci_space_settle(struct vm *vm)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	for (struct func_piece *p = vm->space.first; p; p = p->next)
		if (p->state == FUNC_PIECE_WAITING)
			(void)piece_settle(vm, p, p->bus, NULL);
	(void)pthread_mutex_unlock(&vm->space.lock);
}

bool pci_space_fault(struct vm *vm, struct func_piece *p)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	const bool was_mapped = p->state == FUNC_PIECE_MAPPED;
	if (was_mapped) {
		piece_unmap(vm, p);
		/* A full bus: nobody answers until something leaves. */
		p->state = bus_add(p->bus, &p->range, NULL) < 0 ? FUNC_PIECE_WAITING
								: FUNC_PIECE_FAULTED;
	}
	(void)pthread_mutex_unlock(&vm->space.lock);
	return was_mapped;
}

void pci_space_cure(struct vm *vm, struct func_piece *p)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	if (p->state == FUNC_PIECE_FAULTED && piece_map(vm, p) >= 0) {
		bus_remove(p->bus, &p->range);
		p->state = FUNC_PIECE_MAPPED;
	} else if (p->state == FUNC_PIECE_FAULTED) {
		p->state = FUNC_PIECE_TRAPPED;
	}
	(void)pthread_mutex_unlock(&vm->space.lock);
}

struct bus_range *pci_space_late(struct bus *mmio, uint64_t addr, unsigned size)
{
	struct vm *vm = container_of(mmio, struct vm, mmio);
	struct bus_range *found = NULL;

	(void)pthread_mutex_lock(&vm->space.lock);
	for (struct func_piece *p = vm->space.first; p && !found; p = p->next)
		if (p->state == FUNC_PIECE_MAPPED && addr >= p->range.base &&
			range_ok(addr - p->range.base, size, p->range.size))
			found = &p->range;
	if (found)
		pin_take(&found->pins);
	(void)pthread_mutex_unlock(&vm->space.lock);
	return found;
}
