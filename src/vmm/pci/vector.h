/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_VECTOR_H
#define VMM_PCI_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

struct irq;

/*
 * One message-signalled interrupt on its way to the guest: the device signals an eventfd, and
 * while the vector is live KVM turns the signal into an interrupt. A masked vector keeps its
 * eventfd and is only detached from KVM: a signal waits in the eventfd, which is the pending bit,
 * and KVM delivers it once the eventfd is attached again.
 * Context: under the lock of the function; the device may signal the eventfd from any thread.
 */
struct func_vector {
	int eventfd; /* -1 until the vector is first live */
	int gsi; /* -1 */
	bool attached; /* KVM listens to the eventfd */
	bool armed; /* vmm/pass: VFIO signals the eventfd */
	bool foreign; /* another program has the eventfd, and may have whoever uses it wait */
	bool waits; /* of a foreign one: we have signalled it while it was not live */
	uint64_t signals; /* vmm/pass/count: as the host's kernel has counted them */
	uint64_t counted; /* of these, since the vector was last turned on */
};

#define FUNC_VECTOR_NONE ((struct func_vector){.eventfd = -1, .gsi = -1})

/* Makes eventfd and GSI, once. Return: 0, -ENOSPC no GSI left, -errno. */
int func_vector_make(struct irq *q, struct func_vector *v);

/* The same, and stages the route. Return: as above. */
int func_vector_route(struct irq *q, struct func_vector *v, uint64_t address, uint32_t data);

/* Attaches the eventfd to KVM, after irq_commit(); detaches it. Return: 0, -errno. */
int func_vector_attach(struct irq *q, struct func_vector *v);
void func_vector_detach(struct irq *q, struct func_vector *v);

/* Whether a signal waits to be delivered; of a foreign one, only our own are known. */
bool func_vector_pending(const struct func_vector *v);

/*
 * Turns the vector off and forgets a signal that waits; that of a foreign one is one interrupt too
 * many later. The eventfd and the GSI stay.
 */
void func_vector_quiet(struct irq *q, struct func_vector *v);

/* Closes the eventfd and frees the GSI; `signals` and `foreign` stay. */
void func_vector_fini(struct irq *q, struct func_vector *v);

#endif
