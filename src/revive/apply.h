/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_APPLY_H
#define REVIVE_APPLY_H

#include "base/err.h"
#include "bind/lease.h"
#include "revive/plan.h"

#define REVIVE_TEXT_MAX 256

/* What a step brought. */
struct revive_outcome {
	enum revive_kind kind;
	bool withheld;
	enum revive_state state; /* of the device after it */
	char text[REVIVE_TEXT_MAX]; /* why a write of it failed; "": none did */
};

struct revive_report {
	size_t count;
	struct revive_outcome outcomes[REVIVE_KINDS];
	enum revive_state state; /* at the end */
	struct pci_device device; /* unless it is gone */
	bool is_other; /* another device answers at this address */
	bool by_wake; /* its new settings brought it back: they stay */
	struct revive_port port; /* after the last step */
	bool has_link;
	uint8_t speed, width; /* of the device's link now, as in struct pci_express */
	uint8_t speed_max, width_max; /* what it and its port can both do */
	struct err late; /* what could not be put back; code 0: all was */
};

/* Who follows a revival while it runs; a function may be NULL. */
struct revive_listener {
	void (*planned)(void *arg, const struct revive_plan *p); /* before the first step */
	void (*begin)(void *arg, enum revive_kind k); /* before each one that is not withheld */
	void (*hear)(void *arg, const struct revive_outcome *o); /* after each one */
	void *arg;
};

/*
 * Carries out a request under the locks of all groups below the port, until the device answers.
 * What the steps changed is put back, except what brought the device back. @plan: as it was made
 * there, revive_plan_fini(). A device that answers at once needs no step.
 * Return: 0 it answers; 1 it does not; -EPERM when @plan->says.refusals; -ETIMEDOUT; -errno.
 */
int revive_device(const struct bind_env *env, const struct revive_request *q,
	const struct revive_listener *listener, struct revive_plan *plan, struct revive_report *ret,
	struct err *e);

/* What the journal has of interrupted revivals, by address; otherwise as bind_leases(). */
int revive_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

/*
 * Completes an interrupted revival: scans the bus, and puts back what was changed. Idempotent.
 * Return: 0, 1 left alone (its writer still runs), -errno.
 */
int revive_restore(const struct bind_env *env, struct pci_address a, struct err *e);

#endif
