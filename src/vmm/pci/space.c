/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The invariant: a piece is in guest memory if and only if it is FUNC_PIECE_MAPPED, and on a bus if
 * and only if it is FUNC_PIECE_TRAPPED or FUNC_PIECE_FAULTED. Nothing in memory or on a bus
 * overlaps anything else in memory or on the same bus: RAM, the machine's registers, other pieces.
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
#include "base/log.h"
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

static struct memory_range piece_memory(const struct func_piece *p)
{
	return (struct memory_range){.gpa = GPA(p->range.base),
		.size = p->range.size,
		.host = p->host,
		.kind = MEMORY_DEVICE};
}

static int piece_map(struct vm *vm, const struct func_piece *p)
{
	const struct memory_range m = piece_memory(p);

	return p->host ? memory_add(&vm->memory, &m, NULL) : -ENOTSUP;
}

static int piece_check(struct vm *vm, const struct func_piece *p, struct err *e)
{
	int r = p->bus == &vm->mmio ? check_memory_free(&vm->memory, &p->range, e) : 0;

	return r < 0 ? r : bus_check(p->bus, &p->range, e);
}

/* @error: why a piece that has pages is not mapped. The guest sees nothing but slowness. */
static void report_trap(struct vm *vm, const struct func_piece *p, int error)
{
	if (p->host && error == -ENOSPC)
		log_guest(&vm->space.full, vm->name,
			"all %zu ranges of guest memory are in use, so each access to %s at "
			"0x%" PRIx64 " exits",
			memory_limit(&vm->memory), p->range.name, p->range.base);
}

/* From nowhere to memory or its bus. */
static void piece_settle(struct vm *vm, struct func_piece *p)
{
	if (piece_check(vm, p, NULL) < 0)
		return;
	int r = p->bus == &vm->mmio ? piece_map(vm, p) : -ENOTSUP;
	if (r >= 0) {
		p->state = FUNC_PIECE_MAPPED;
		return;
	}
	if (bus_add(p->bus, &p->range, NULL) < 0)
		return;
	p->state = FUNC_PIECE_TRAPPED;
	report_trap(vm, p, r);
}

/*
 * Maps all pieces of @list that can be mapped by one change of memory: its listeners see the
 * function's BARs come together. If the change is refused, nothing is mapped.
 */
static void map_together(struct vm *vm, struct func_piece *list)
{
	struct memory_step steps[MEMORY_STEPS_MAX];
	struct func_piece *mapped[MEMORY_STEPS_MAX];
	size_t count = 0;

	for (struct func_piece *p = list; p && count < MEMORY_STEPS_MAX; p = p->batch) {
		if (!p->host || p->bus != &vm->mmio || piece_check(vm, p, NULL) < 0)
			continue;
		steps[count] = (struct memory_step){MEMORY_ADD, piece_memory(p)};
		mapped[count++] = p;
	}
	if (count < 2 || memory_change(&vm->memory, steps, count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		mapped[i]->state = FUNC_PIECE_MAPPED;
}

static void list_append(struct pci_space *s, struct func_piece *p)
{
	struct func_piece **tail = &s->first;

	while (*tail)
		tail = &(*tail)->next;
	p->next = NULL;
	*tail = p;
}

static void list_remove(struct pci_space *s, const struct func_piece *p)
{
	struct func_piece **at = &s->first;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
}

void pci_space_place(struct vm *vm, struct func_piece *list)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	for (struct func_piece *p = list; p; p = p->batch) {
		p->state = FUNC_PIECE_WAITING;
		list_append(&vm->space, p);
	}
	map_together(vm, list);
	for (struct func_piece *p = list; p; p = p->batch)
		if (p->state == FUNC_PIECE_WAITING)
			piece_settle(vm, p);
	(void)pthread_mutex_unlock(&vm->space.lock);
}

int pci_space_check(struct vm *vm, const struct func_piece *p, struct err *e)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	int r = p->state == FUNC_PIECE_WAITING ? piece_check(vm, p, e) : 0;
	if (r >= 0 && p->state == FUNC_PIECE_WAITING)
		r = err_say(e, -ENOSPC, "%s: all ranges are in use", p->bus->name);
	(void)pthread_mutex_unlock(&vm->space.lock);
	return r;
}

static void memory_leave(struct vm *vm, const struct memory_step *steps, size_t count)
{
	if (!count)
		return;
	(void)memory_change(&vm->memory, steps, count, NULL);
	vm_cured(vm);
}

bool pci_space_leave(struct vm *vm, struct func_piece *list)
{
	struct memory_step steps[MEMORY_STEPS_MAX];
	bool left = false;
	size_t count = 0;

	(void)pthread_mutex_lock(&vm->space.lock);
	for (struct func_piece *p = list; p; p = p->batch) {
		if (p->state == FUNC_PIECE_MAPPED)
			steps[count++] = (struct memory_step){MEMORY_REMOVE, piece_memory(p)};
		else if (is_on_bus(p))
			bus_remove(p->bus, &p->range);
		left |= p->state == FUNC_PIECE_MAPPED || is_on_bus(p);
		list_remove(&vm->space, p);
		p->state = FUNC_PIECE_OFF;
		if (count == MEMORY_STEPS_MAX) {
			memory_leave(vm, steps, count);
			count = 0;
		}
	}
	memory_leave(vm, steps, count);
	(void)pthread_mutex_unlock(&vm->space.lock);
	return left;
}

void pci_space_settle(struct vm *vm)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	for (struct func_piece *p = vm->space.first; p; p = p->next)
		if (p->state == FUNC_PIECE_WAITING)
			piece_settle(vm, p);
	(void)pthread_mutex_unlock(&vm->space.lock);
}

bool pci_space_fault(struct vm *vm, struct func_piece *p)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	const bool was_mapped = p->state == FUNC_PIECE_MAPPED;
	if (was_mapped) {
		(void)memory_remove(&vm->memory, GPA(p->range.base));
		vm_cured(vm);
		/* The bus is full: the piece waits until another range leaves it. */
		p->state = bus_add(p->bus, &p->range, NULL) < 0 ? FUNC_PIECE_WAITING
								: FUNC_PIECE_FAULTED;
	}
	(void)pthread_mutex_unlock(&vm->space.lock);
	return was_mapped;
}

void pci_space_cure(struct vm *vm, struct func_piece *p)
{
	(void)pthread_mutex_lock(&vm->space.lock);
	int r = p->state == FUNC_PIECE_FAULTED ? piece_map(vm, p) : -EALREADY;
	if (r >= 0) {
		bus_remove(p->bus, &p->range);
		p->state = FUNC_PIECE_MAPPED;
	} else if (p->state == FUNC_PIECE_FAULTED) {
		p->state = FUNC_PIECE_TRAPPED;
		report_trap(vm, p, r);
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
