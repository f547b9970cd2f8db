/* SPDX-License-Identifier: MIT */
#include "pass/pass_rig.h"

#include "base/err.h"
#include "vmm/pass/function.h"

#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

struct rig rig;

/* vmm/irq and vmm/pci, as far as vmm/pass calls them. */

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

int pci_intx_gsi(const struct pci_func *f, unsigned pin)
{
	return 15 + (int)pin;
}

int pci_plug(struct vm *vm, struct pci_func *f, const char *name, struct err *e)
{
	return 0;
}

void pci_plug_beside(struct pci_func *first, struct pci_func *f)
{
	f->port = first->port;
}

void pci_ask(struct pci_func *f)
{
	vfio_model_note(&rig.model, "ask");
}

bool pci_answers(const struct pci_func *f)
{
	return rig.answers;
}

void pci_pull(struct pci_func *f)
{
	vfio_model_note(&rig.model, "pull");
	f->ops->eject(f);
}

void pci_port_atomics(struct pci_func *f, uint32_t bits)
{
}

static int note_map(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	if (rig.map_error)
		return err_set(e, rig.map_error, "map");
	vfio_model_note(&rig.model, "+%llx:%llx", (unsigned long long)r->gpa.v,
		(unsigned long long)r->size);
	return 0;
}

static void note_unmap(struct memory_listener *l, const struct memory_range *r)
{
	vfio_model_note(&rig.model, "-%llx", (unsigned long long)r->gpa.v);
}

void rig_prepare(const char *fixtures, const char *name)
{
	struct err e = {0};

	static struct irq_route routes[IRQ_GSI_MAX];

	memset(&rig, 0, sizeof(rig));
	memset(routes, 0, sizeof(routes));
	rig.vm.irq.routes = routes;
	rig.vm.name = "rig";
	rig.vm.interrupts_fd = -1;
	rig.vm.mmio.name = "mmio";
	rig.vm.ports.name = "ports";
	rig.vm.memory = (struct memory)MEMORY_NONE;
	rig.listener =
		(struct memory_listener){.name = "rig", .map = note_map, .unmap = note_unmap};
	ck_assert_int_eq(memory_listen(&rig.vm.memory, &rig.listener, &e), 0);
	ck_assert_int_eq(loop_init(&rig.vm.loop, &e), 0);
	vfio_model_load(&rig.model, fixtures, name);
	rig.dev = pass_dev_new(&rig.vm, "0000:01:00.0");
	ck_assert_ptr_nonnull(rig.dev);
	ck_assert_int_eq(vfio_dev_from_model(&vfio_model_ops, &rig.model, &rig.dev->vfio, &e), 0);
}

int rig_learn(struct err *e)
{
	return pass_dev_learn(rig.dev, e);
}

void rig_start(const char *fixtures, const char *name)
{
	struct err e = {0};

	rig_prepare(fixtures, name);
	ck_assert_msg(rig_learn(&e) == 0, "%s", e.msg);
}

void rig_stop(void)
{
	pass_func_ops.fini(&rig.dev->func);
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
	rig.model.log[0] = '\0';
}

const char *rig_log(void)
{
	return rig.model.log;
}

uint32_t rig_read(unsigned off, unsigned size)
{
	return pass_func_ops.config_read(&rig.dev->func, off, size);
}

void rig_write(unsigned off, unsigned size, uint32_t value)
{
	pass_func_ops.config_write(&rig.dev->func, off, size, value);
}

uint32_t rig_size(unsigned reg)
{
	uint32_t old = rig_read(reg, 4);

	rig_write(reg, 4, UINT32_MAX);
	uint32_t got = rig_read(reg, 4);
	rig_write(reg, 4, old);
	return got;
}
