/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: no step touches a device whose users usher has not asked for, and none touches one
 * that is in use.
 *
 * The device itself, and what is behind it, is in each step: whatever uses it refuses the plan. A
 * step on the port touches all functions below it. Who uses another one of these is a problem of
 * its own list, and only the steps on the port are withheld.
 */
#include "revive/gate.h"

#include "base/err.h"
#include "bind/gate.h"
#include "bind/lease.h"
#include "bind/problem.h"
#include "hold/hold.h"
#include "host/host.h"
#include "pci/upstream.h"

#include <errno.h>
#include <stdio.h>

/* One call to revive_gate(): the same checks, into one list or the other. */
struct gate {
	struct bind_case own; /* into p->says */
	struct bind_case others; /* into p->aside */
	struct hold_view *view;
	const struct revive_plan *plan;
};

static int gate_holds(struct gate *g, struct bind_case *c, const struct pci_device *d)
{
	struct holds holds = {0};
	char address[PCI_ADDRESS_TEXT], fix[256];

	pci_address_format(d->address, address);
	int r = g->view ? 0 : hold_view_new(c->env->host, HOLD_PATIENT, &g->view, c->e);
	if (r == 0)
		r = hold_find_in(g->view, d, &holds, c->e);
	for (size_t i = 0; r == 0 && i < holds.count; i++) {
		const struct hold *o = &holds.list[i];
		/* Who cuts the line to the host cannot see whether it comes back. */
		bool never = o->absolute || o->session;
		(void)snprintf(fix, sizeof(fix), "%s, or touch it anyway: --allow=%s",
			o->unsure ? "run as root to find out" : "end what uses it first", o->check);
		const struct problem_kind kind = {o->check,
			never ? PROBLEM_REFUSES : PROBLEM_LIFTABLE,
			never ? "end what uses it first: no --allow skips this check" : fix};
		r = bind_problem_add(
			c->plan, c->q, &kind, address, "in use: %s: %s", o->object, o->text);
	}
	holds_fini(&holds);
	return r;
}

/* A write to such a device would wait as well (host/locked.h). */
static int gate_lock(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind locked = {"locked", PROBLEM_REFUSES,
		"end the process that uses it; if it cannot end, only a reboot helps"};

	if (!d->is_locked)
		return 0;
	return bind_problem_add(c->plan, c->q, &locked, address,
		"the kernel keeps its device lock and does not return");
}

static int gate_platform(struct bind_case *c, const struct pci_device *d, const char *address)
{
	static const struct problem_kind platform = {
		"platform", PROBLEM_REFUSES, "name a device of a card"};

	if (!bind_is_platform(d))
		return 0;
	return bind_problem_add(c->plan, c->q, &platform, address, "is a part of the host itself");
}

static int gate_function(struct gate *g, struct bind_case *c, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(d->address, address);
	if (d->is_bridge)
		return 0;
	int r = gate_platform(c, d, address);
	if (r < 0)
		return r;
	r = gate_lock(c, d, address);
	if (r == 0 && d->group >= 0)
		r = bind_gate_lease(c, d->group);
	return r < 0 ? r : gate_holds(g, c, d);
}

/* Whether removing p->card removes the function as well. */
static bool goes_along(struct host *h, const struct revive_plan *p, struct pci_address a)
{
	struct pci_upstream u;

	return p->state != REVIVE_GONE &&
	       (pci_address_equal(a, p->card) ||
		       (pci_upstream_read(h, a, &u) == 0 && pci_upstream_has(&u, p->card)));
}

/* A mistyped address must not cost its neighbours their power. */
static int gate_unknown(struct gate *g)
{
	static const struct problem_kind unknown = {
		"unknown", PROBLEM_REFUSES, "if there was a device, name it: --id VVVV:DDDD"};
	const struct revive_plan *p = g->plan;
	char address[PCI_ADDRESS_TEXT];

	if (p->state != REVIVE_GONE || p->known.has_id || !p->beside_count)
		return 0;
	return bind_problem_add(g->others.plan, g->others.q, &unknown,
		pci_address_format(p->address, address),
		"nothing says that a device was there, and others are below that port");
}

int revive_gate(const struct bind_env *env, const struct revive_request *q, struct revive_plan *p,
	struct err *e)
{
	const struct bind_request allow = {
		.allow = q->allow, .allow_count = q->allow_count, .access = BIND_ACCESS_NONE};
	struct gate g = {.own = {.env = env, .q = &allow, .plan = &p->says, .e = e},
		.others = {.env = env, .q = &allow, .plan = &p->aside, .e = e},
		.plan = p};
	int r = p->state == REVIVE_GONE ? 0 : gate_function(&g, &g.own, &p->device);

	for (size_t i = 0; r == 0 && i < p->beside_count; i++) {
		const struct pci_device *d = &p->beside[i];
		bool along = goes_along(env->host, p, d->address);
		r = gate_function(&g, along ? &g.own : &g.others, d);
	}
	if (r == 0)
		r = gate_unknown(&g);
	hold_view_free(g.view);
	return r;
}
