/* SPDX-License-Identifier: MIT */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include "vmm/lock.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct kvm_irq_routing;

/*
 * Interrupts into the guest: GSIs, their routes, and irqfds. KVM emulates the full irqchip. GSIs
 * 0-23 are the IOAPIC's pins, those above carry MSIs. Routes are staged, and irq_commit() sets them
 * all by one KVM_SET_GSI_ROUTING: each such call rebuilds the whole table (0.8 ms on hosts with
 * many vectors).
 *
 * Context: any thread; a lock of its own orders the changes.
 */
#define IRQ_PINS 24
#define IRQ_GSI_MAX 4096 /* KVM_MAX_IRQ_ROUTES; vectors beyond it stay off, with a message */

struct irq_route {
	bool used;
	bool routed;
	uint64_t address; /* MSI address as the guest wrote it */
	uint32_t data;
};

struct irq {
	int vm_fd;
	struct lock lock; /* for what follows */
	bool dirty; /* staged routes differ from KVM's */
	int end; /* no GSI from here on was ever used */
	struct irq_route *routes; /* IRQ_GSI_MAX of them */
	struct kvm_irq_routing *table; /* the argument of the ioctl, built anew by each commit */
};

/* Creates the in-kernel irqchip and sets the pins' routes. */
int irq_init(struct irq *q, int vm_fd, struct err *e);
void irq_fini(struct irq *q);

/*
 * The same for a new VM that replaces the old one. Allocated GSIs stay allocated, without a route
 * and without an eventfd. Context: no other thread runs. Return: 0, -errno.
 */
int irq_renew(struct irq *q, int vm_fd, struct err *e);

/* A free GSI for an MSI. Return: GSI, -ENOSPC. */
int irq_alloc(struct irq *q);
void irq_free(struct irq *q, int gsi);

/* Stages the route of @gsi; takes effect with irq_commit(). */
void irq_route(struct irq *q, int gsi, uint64_t address, uint32_t data);
int irq_commit(struct irq *q, struct err *e); /* does nothing when nothing is staged */

/*
 * Connects @eventfd to @gsi (KVM_IRQFD): a signal becomes an interrupt without user space.
 * @resample: -1, or an eventfd that KVM signals at the EOI of a level interrupt.
 */
int irq_attach(struct irq *q, int gsi, int eventfd, int resample, struct err *e);
int irq_detach(struct irq *q, int gsi, int eventfd);

/* Raises one MSI now (KVM_SIGNAL_MSI). */
int irq_signal_msi(struct irq *q, uint64_t address, uint32_t data);
/* Sets the level of an IOAPIC pin (KVM_IRQ_LINE). */
int irq_line(struct irq *q, int pin, bool level);

#endif
