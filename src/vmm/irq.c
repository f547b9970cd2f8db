/* SPDX-License-Identifier: MIT */
#include "vmm/irq.h"

#include "base/err.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

WALL_CALL(main, ioctl, KVM_CREATE_IRQCHIP);

static int make_chip(struct irq *q, struct err *e)
{
	q->dirty = true;
	if (ioctl(q->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(e, -errno, "create the interrupt controllers");
	return irq_commit(q, e);
}

int irq_init(struct irq *q, int vm_fd, struct err *e)
{
	size_t size = sizeof(*q->table) + IRQ_GSI_MAX * sizeof(q->table->entries[0]);

	*q = (struct irq){.vm_fd = vm_fd, .lock = LOCK_INIT(LOCK_IRQ), .end = IRQ_PINS};
	/* The kernel backs only the pages that are used: few guests use more than one of either. */
	q->table = calloc(1, size);
	q->routes = calloc(IRQ_GSI_MAX, sizeof(*q->routes));
	if (!q->table || !q->routes)
		return err_set(e, -ENOMEM, "allocate interrupt routes");
	for (int pin = 0; pin < IRQ_PINS; pin++)
		q->routes[pin].used = true;
	return make_chip(q, e);
}

int irq_renew(struct irq *q, int vm_fd, struct err *e)
{
	q->vm_fd = vm_fd;
	for (int gsi = 0; gsi < q->end; gsi++)
		q->routes[gsi] = (struct irq_route){.used = q->routes[gsi].used};
	return make_chip(q, e);
}

void irq_fini(struct irq *q)
{
	free(q->table);
	free(q->routes);
	q->table = NULL;
	q->routes = NULL;
}

/* Under the lock. */
static int gsi_take(struct irq *q)
{
	for (int gsi = IRQ_PINS; gsi < IRQ_GSI_MAX; gsi++) {
		if (!q->routes[gsi].used) {
			q->routes[gsi] = (struct irq_route){.used = true};
			q->end = gsi >= q->end ? gsi + 1 : q->end;
			return gsi;
		}
	}
	return -ENOSPC;
}

int irq_alloc(struct irq *q)
{
	lock_take(&q->lock);
	int gsi = gsi_take(q);
	lock_drop(&q->lock);
	return gsi;
}

void irq_free(struct irq *q, int gsi)
{
	if (gsi < IRQ_PINS || gsi >= IRQ_GSI_MAX)
		return;
	lock_take(&q->lock);
	q->dirty |= q->routes[gsi].routed;
	q->routes[gsi] = (struct irq_route){0};
	lock_drop(&q->lock);
}

void irq_route(struct irq *q, int gsi, uint64_t address, uint32_t data)
{
	struct irq_route *r = &q->routes[gsi];

	lock_take(&q->lock);
	if (!r->routed || r->address != address || r->data != data) {
		*r = (struct irq_route){
			.used = true, .routed = true, .address = address, .data = data};
		q->dirty = true;
	}
	lock_drop(&q->lock);
}

/*
 * A pin reaches only the IOAPIC's input of the same number. KVM's default would also send 0-15 to
 * the 8259, and 0 to input 2: the MADT of this machine announces neither.
 */
static struct kvm_irq_routing_entry pin_entry(int pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = (uint32_t)pin,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = (uint32_t)pin},
	};
}

static struct kvm_irq_routing_entry msi_entry(int gsi, const struct irq_route *r)
{
	return (struct kvm_irq_routing_entry){
		.gsi = (uint32_t)gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi =
			{
				.address_lo = (uint32_t)r->address,
				.address_hi = (uint32_t)(r->address >> 32),
				.data = r->data,
			},
	};
}

WALL_CALL(main | vcpu | worker, ioctl, KVM_SET_GSI_ROUTING);

/* Under the lock. */
static int table_set(struct irq *q, struct err *e)
{
	uint32_t count = 0;

	if (!q->dirty)
		return 0;
	for (int gsi = 0; gsi < q->end; gsi++) {
		const struct irq_route *r = &q->routes[gsi];
		if (gsi < IRQ_PINS)
			q->table->entries[count++] = pin_entry(gsi);
		else if (r->routed)
			q->table->entries[count++] = msi_entry(gsi, r);
	}
	q->table->nr = count;
	q->table->flags = 0;
	if (ioctl(q->vm_fd, KVM_SET_GSI_ROUTING, q->table) < 0)
		return err_set(e, -errno, "set %u interrupt routes", count);
	q->dirty = false;
	return 0;
}

int irq_commit(struct irq *q, struct err *e)
{
	lock_take(&q->lock);
	int r = table_set(q, e);
	lock_drop(&q->lock);
	return r;
}

WALL_CALL(main | vcpu | worker | disk, ioctl, KVM_IRQFD);

int irq_attach(struct irq *q, int gsi, int eventfd, int resample, struct err *e)
{
	struct kvm_irqfd fd = {
		.fd = (uint32_t)eventfd,
		.gsi = (uint32_t)gsi,
		.flags = resample >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0U,
		.resamplefd = resample >= 0 ? (uint32_t)resample : 0U,
	};

	if (ioctl(q->vm_fd, KVM_IRQFD, &fd) < 0)
		return err_set(e, -errno, "connect an eventfd to interrupt %d", gsi);
	return 0;
}

int irq_detach(struct irq *q, int gsi, int eventfd)
{
	struct kvm_irqfd fd = {
		.fd = (uint32_t)eventfd,
		.gsi = (uint32_t)gsi,
		.flags = KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(q->vm_fd, KVM_IRQFD, &fd) < 0 ? -errno : 0;
}

WALL_CALL(main | vcpu | worker, ioctl, KVM_SIGNAL_MSI);

int irq_signal_msi(struct irq *q, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};

	return ioctl(q->vm_fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

WALL_CALL(every, ioctl, KVM_IRQ_LINE);

int irq_line(struct irq *q, int pin, bool level)
{
	struct kvm_irq_level line = {.irq = (uint32_t)pin, .level = level};

	return ioctl(q->vm_fd, KVM_IRQ_LINE, &line) < 0 ? -errno : 0;
}
