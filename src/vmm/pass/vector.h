/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_VECTOR_H
#define VMM_PASS_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

struct pass_dev;

/*
 * One message-signalled interrupt on its way from the device to the guest: VFIO signals an
 * eventfd, and while the vector is live KVM turns the signal into an interrupt by itself. A masked
 * vector keeps its eventfd in VFIO and is only taken from KVM: a signal then waits in the eventfd,
 * which is the pending bit, and KVM delivers it when it gets the eventfd back.
 */
struct pass_vector {
	int eventfd; /* -1 until the vector is first live */
	int gsi; /* -1 */
	bool armed; /* VFIO signals the eventfd */
	bool attached; /* KVM listens to it */
	uint64_t signals; /* that the host has counted (vmm/pass/count) */
};

#define PASS_VECTOR_NONE ((struct pass_vector){.eventfd = -1, .gsi = -1})

/* Makes eventfd and GSI, once, and stages the route. Return: 0, -ENOSPC no GSI left, -errno. */
int pass_vector_route(struct pass_dev *d, struct pass_vector *v, uint64_t address, uint32_t data);

/* Gives the eventfd to KVM, after irq_commit(); takes it back. Return: 0, -errno. */
int pass_vector_attach(struct pass_dev *d, struct pass_vector *v);
void pass_vector_detach(struct pass_dev *d, struct pass_vector *v);

/* A signal waits to be delivered. */
bool pass_vector_pending(const struct pass_vector *v);

/* Off for good: whatever waits is forgotten. The eventfd and the GSI stay for the next time. */
void pass_vector_quiet(struct pass_dev *d, struct pass_vector *v);

/* What was counted stays. */
void pass_vector_fini(struct pass_dev *d, struct pass_vector *v);

#endif
