/* SPDX-License-Identifier: MIT */
#include "pass/pass_rig.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct rig rig;
bool rig_single_thread;

/* vmm/irq, as far as vmm/pass calls it; pass_slot.c is vmm/pci. */

int irq_alloc(struct irq *q)
{
	for (int gsi = IRQ_PINS; gsi < IRQ_GSI_MAX && !rig.no_gsi; gsi++) {
		if (!q->routes[gsi].used) {
			q->routes[gsi].used = true;
			return gsi;
		}
	}
	return -ENOSPC;
}

void irq_free(struct irq *q, int gsi)
{
	ck_assert(q->routes[gsi].used);
	q->routes[gsi] = (struct irq_route){0};
}

void irq_route(struct irq *q, int gsi, uint64_t address, uint32_t data)
{
	struct irq_route *r = &q->routes[gsi];

	ck_assert(r->used);
	if (r->routed && r->address == address && r->data == data)
		return;
	*r = (struct irq_route){.used = true, .routed = true, .address = address, .data = data};
	q->dirty = true;
}

int irq_commit(struct irq *q, struct err *e)
{
	if (!q->dirty)
		return 0;
	q->dirty = false;
	rig.commits++;
	vfio_model_note(&rig.model, "commit");
	return 0;
}

int irq_attach(struct irq *q, int gsi, int eventfd, int resample, struct err *e)
{
	if (rig.refuse_attach)
		return err_set(e, -EINVAL, "attach");
	ck_assert_int_ge(eventfd, 0);
	/* A route that KVM does not know yet would send the interrupt nowhere. */
	ck_assert(gsi < IRQ_PINS || (q->routes[gsi].routed && !q->dirty));
	rig.attached++;
	vfio_model_note(&rig.model, "attach%d", gsi);
	return 0;
}

int irq_detach(struct irq *q, int gsi, int eventfd)
{
	ck_assert_uint_gt(rig.attached, 0);
	rig.attached--;
	vfio_model_note(&rig.model, "detach%d", gsi);
	return 0;
}

/* Of root ports, and of vectors whose eventfd another program has: a lent device has none. */
int irq_signal_msi(struct irq *q, uint64_t address, uint32_t data)
{
	return 0;
}

static void note_begin(struct memory_listener *l)
{
	rig.changes++;
}

static int note_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	if (rig.map_error)
		return err_set(e, rig.map_error, "map");
	vfio_model_note(&rig.model, "+%" PRIx64 ":%" PRIx64, r->gpa.v, r->size);
	return 0;
}

static void note_unmap(struct memory_listener *l, const struct memory_range *r)
{
	vfio_model_note(&rig.model, "-%" PRIx64, r->gpa.v);
}

void rig_prepare(const char *fixtures, const char *name)
{
	struct err e = {0};

	static struct irq_route routes[IRQ_GSI_MAX];

	memset(&rig, 0, sizeof(rig));
	memset(routes, 0, sizeof(routes));
	rig.vm.irq.routes = routes;
	rig.vm.name = "rig";
	rig.vm.cure = (struct lock)LOCK_INIT(LOCK_CURE);
	rig.vm.interrupts_fd = -1;
	rig.vm.mmio.name = "mmio";
	rig.vm.mmio.late = pci_space_late;
	rig.vm.ports.name = "ports";
	rig.vm.space = (struct pci_space)PCI_SPACE_NONE;
	rig.vm.memory = (struct memory)MEMORY_NONE;
	rig.listener = (struct memory_listener){
		.name = "rig", .begin = note_begin, .map = note_map, .unmap = note_unmap};
	ck_assert_int_eq(memory_listen(&rig.vm.memory, &rig.listener, &e), 0);
	ck_assert_int_eq(loop_init(&rig.vm.loop, &e), 0);
	vfio_model_load(&rig.model, fixtures, name);
	rig.dev = pass_func_new(&rig.vm, (struct pci_address){.bus = 1});
	ck_assert_ptr_nonnull(rig.dev);
	rig.dev->worker.in_caller = rig_single_thread;
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &rig.model, &rig.dev->vfio, &e), 0);
}

int rig_learn(struct err *e)
{
	return pass_dev_learn(rig.dev, e);
}

struct pass_dev *rig_add(const char *fixtures, const char *name)
{
	static struct pass_domain domain;
	struct err e = {0};

	vfio_model_load(&rig.second, fixtures, name);
	struct pass_dev *d = pass_func_new(&rig.vm, (struct pci_address){.bus = 2});
	ck_assert_ptr_nonnull(d);
	d->worker.in_caller = rig_single_thread;
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &rig.second, &d->vfio, &e), 0);
	ck_assert_msg(pass_dev_learn(d, &e) == 0, "%s", e.msg);
	domain = (struct pass_domain){
		.vm = &rig.vm, .kvm = -1, .devices = d, .reset = LOCK_INIT(LOCK_RESET)};
	d->next = rig.dev;
	rig.vm.pass = &domain;
	return d;
}

void rig_start(const char *fixtures, const char *name)
{
	struct err e = {0};

	rig_prepare(fixtures, name);
	ck_assert_msg(rig_learn(&e) == 0, "%s", e.msg);
}

/* Like ck_assert(), which writes to a file at each call: too slow for these. */
#define must_hold(what)                                    \
	do {                                               \
		if (!(what))                               \
			ck_assert_msg(false, "%s", #what); \
	} while (0)

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* How many ranges of memory and of @bus overlap [@base, +@size). */
static unsigned count_at(const struct bus *bus, uint64_t base, uint64_t size)
{
	const struct memory *m = &rig.vm.memory;
	unsigned count = 0;

	for (size_t i = 0; bus == &rig.vm.mmio && i < m->count; i++)
		count += overlaps(base, size, m->ranges[i].gpa.v, m->ranges[i].size);
	for (size_t i = 0; i < bus->count; i++)
		count += overlaps(base, size, bus->ranges[i]->base, bus->ranges[i]->size);
	return count;
}

static bool is_in_memory(const struct func_piece *p)
{
	for (size_t i = 0; i < rig.vm.memory.count; i++) {
		const struct memory_range *r = &rig.vm.memory.ranges[i];
		if (r->gpa.v == p->range.base && r->size == p->range.size && r->host == p->host)
			return r->kind == MEMORY_DEVICE;
	}
	return false;
}

static bool is_on_bus(const struct func_piece *p)
{
	for (size_t i = 0; i < p->bus->count; i++)
		if (p->bus->ranges[i] == &p->range)
			return true;
	return false;
}

struct counts {
	size_t in_memory;
	size_t on_bus;
};

static void check_piece(const struct func_piece *p, struct counts *n)
{
	if (!p->bar->at)
		must_hold(p->state == FUNC_PIECE_OFF);
	switch (p->state) {
	case FUNC_PIECE_OFF:
		must_hold(!p->bar->at);
		break;
	case FUNC_PIECE_WAITING:
		must_hold(count_at(p->bus, p->range.base, p->range.size) ||
			  p->bus->count == BUS_RANGES_MAX);
		break;
	case FUNC_PIECE_MAPPED:
		n->in_memory++;
		must_hold(p->host);
		must_hold(is_in_memory(p));
		break;
	case FUNC_PIECE_FAULTED:
		must_hold(p->host);
		__attribute__((fallthrough));
	case FUNC_PIECE_TRAPPED:
		n->on_bus++;
		must_hold(is_on_bus(p));
		break;
	}
}

/* Whether VFIO serves the pages of @d's BARs: it decodes memory, and is not in D3hot. */
static bool serves_pages(const struct pass_dev *d)
{
	const struct vfio_model *m = d->vfio.model;
	const uint8_t *config = m->config;
	unsigned pm = d->config.pm;

	/* With several devices on one model, its registers show the state of none. */
	if (rig.was_dead || rig.shared)
		return true;
	return config[PCI_COMMAND] & PCI_COMMAND_MEMORY &&
	       (!pm || config[pm] != PCI_CAP_ID_PM || (config[pm + PCI_PM_CTRL] & 3) < 3);
}

static void check_device(const struct pass_dev *d, struct counts *n)
{
	size_t before = n->in_memory;

	for (unsigned i = 0; i < FUNC_BARS; i++) {
		const struct func_bar *b = &d->bars.bar[i];
		for (unsigned k = 0; k < b->piece_count; k++) {
			check_piece(&b->pieces[k], n);
			must_hold(!d->dropped || !b->pieces[k].host);
		}
		must_hold(!b->at || (!d->dropped && !d->power));
	}
	must_hold(n->in_memory == before || serves_pages(d));
}

static size_t count_pieces(const struct bus *b)
{
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct bus_range *r = b->ranges[i];
		must_hold(count_at(b, r->base, r->size) == 1);
		count += func_is_piece(r);
	}
	return count;
}

bool rig_fault(void)
{
	lock_take(&rig.vm.cure);
	bool any = pass_fault(&rig.vm);
	lock_drop(&rig.vm.cure);
	return any;
}

void rig_settle(void)
{
	ck_assert_int_eq(pass_reset_wait(&rig.vm, 60000), 0);
	ck_assert(worker_wait(&rig.dev->worker, 60000));
}

void rig_serve(void)
{
	struct epoll_event ev;

	rig_settle();
	while (epoll_wait(rig.vm.loop.epoll_fd, &ev, 1, 0) == 1) {
		struct loop_source *s = ev.data.ptr;
		s->ready(s, ev.events);
		rig_settle();
	}
}

void rig_reset_at_once(struct pass_dev *d)
{
	lock_take(d->func.lock);
	d->func.ops->reset(&d->func);
	lock_drop(d->func.lock);
}

void rig_quiet(struct pass_dev *d)
{
	lock_take(d->func.lock);
	d->func.ops->quiet(&d->func);
	lock_drop(d->func.lock);
}

void rig_eject(struct pass_dev *d)
{
	lock_take(d->func.lock);
	d->func.ops->eject(&d->func);
	lock_drop(d->func.lock);
}

void rig_reset(struct pass_dev *d)
{
	rig_reset_at_once(d);
	rig_settle();
}

void rig_check(void)
{
	const struct memory *m = &rig.vm.memory;
	struct counts n = {0};
	size_t device_ranges = 0;

	rig_settle();
	rig.was_dead |= rig.model.dead;

	for (const struct pass_dev *d = rig.vm.pass ? rig.vm.pass->devices : NULL; d; d = d->next)
		if (d != rig.dev)
			check_device(d, &n);
	check_device(rig.dev, &n);
	for (size_t i = 0; i < m->count; i++) {
		device_ranges += m->ranges[i].kind == MEMORY_DEVICE;
		must_hold(count_at(&rig.vm.mmio, m->ranges[i].gpa.v, m->ranges[i].size) == 1);
	}
	must_hold(device_ranges == n.in_memory);
	must_hold(count_pieces(&rig.vm.mmio) + count_pieces(&rig.vm.ports) == n.on_bus);
}

void rig_stop(void)
{
	rig_check();
	if (rig.second.regions[0].memory) {
		struct pass_dev *d = rig.vm.pass->devices;
		pass_func_ops.fini(&d->func);
		rig_check();
		vfio_model_free(&rig.second);
		rig.vm.pass = NULL;
	}
	pass_func_ops.fini(&rig.dev->func);
	rig_end();
}

void rig_end(void)
{
	ck_assert_uint_eq(rig.vm.memory.count, 0);
	ck_assert_uint_eq(rig.vm.mmio.count, 0);
	ck_assert_uint_eq(rig.vm.ports.count, 0);
	ck_assert_uint_eq(rig.attached, 0);
	for (int gsi = IRQ_PINS; gsi < IRQ_GSI_MAX; gsi++)
		ck_assert(!rig.vm.irq.routes[gsi].used);
	ck_assert_int_eq(rig.model.on, -1);
	vfio_model_free(&rig.model);
	loop_fini(&rig.vm.loop);
}

void rig_forget(void)
{
	rig_check();
	rig.model.log[0] = '\0';
}

const char *rig_log(void)
{
	rig_check();
	return rig.model.log;
}

uint32_t rig_config_read(struct pass_dev *d, unsigned off, unsigned size)
{
	vfio_model_vcpu = thread_is_vcpu = !rig_single_thread;
	lock_take(d->func.lock);
	uint32_t value = d->func.ops->config_read(&d->func, off, size);
	lock_drop(d->func.lock);
	vfio_model_vcpu = thread_is_vcpu = false;
	return value;
}

void rig_config_write(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	vfio_model_vcpu = thread_is_vcpu = !rig_single_thread;
	lock_take(d->func.lock);
	d->func.ops->config_write(&d->func, off, size, value);
	lock_drop(d->func.lock);
	vfio_model_vcpu = thread_is_vcpu = false;
}

uint64_t rig_mmio_read(uint64_t addr, unsigned size)
{
	vfio_model_vcpu = thread_is_vcpu = !rig_single_thread;
	uint64_t value = bus_read(&rig.vm.mmio, addr, size);
	vfio_model_vcpu = thread_is_vcpu = false;
	return value;
}

void rig_mmio_write(uint64_t addr, unsigned size, uint64_t value)
{
	vfio_model_vcpu = thread_is_vcpu = !rig_single_thread;
	bus_write(&rig.vm.mmio, addr, size, value);
	vfio_model_vcpu = thread_is_vcpu = false;
}

uint32_t rig_read(unsigned off, unsigned size)
{
	return rig_config_read(rig.dev, off, size);
}

void rig_write_at_once(unsigned off, unsigned size, uint32_t value)
{
	rig_config_write(rig.dev, off, size, value);
}

void rig_write(unsigned off, unsigned size, uint32_t value)
{
	rig_write_at_once(off, size, value);
	rig_check();
}

bool rig_maps(const struct pass_dev *d, uint64_t addr)
{
	struct bus_range *r = pci_space_late(&rig.vm.mmio, addr, 1);

	if (r)
		pin_drop(&r->pins);
	return r && container_of(r, struct func_piece, range)->bar->bars == &d->bars;
}

uint32_t rig_size(unsigned reg)
{
	uint32_t old = rig_read(reg, 4);

	rig_write(reg, 4, UINT32_MAX);
	uint32_t got = rig_read(reg, 4);
	rig_write(reg, 4, old);
	return got;
}
