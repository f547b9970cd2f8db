/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: revive_plan() writes nothing, and what is not certain refuses.
 *
 * A device that does not answer is looked for in sysfs. If it is there, the bridges above it are
 * known; the port is the closest one that still answers, and the card is the function right below
 * it: a dead switch in a card is removed with all that is behind it. If it is gone, its bus number
 * names the port: the numbers stay while the port stays. Then the users of all functions below the
 * port are asked for (gate.c), and the steps are listed (steps.c).
 */
#include "revive/plan.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/journal.h"
#include "bind/lease.h"
#include "bind/problem.h"
#include "host/host.h"
#include "pci/alive.h"
#include "pci/upstream.h"
#include "revive/gate.h"
#include "revive/steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void revive_plan_fini(struct revive_plan *p)
{
	free(p->beside);
	free(p->overrides);
	free(p->writes);
	bind_plan_fini(&p->says);
	bind_plan_fini(&p->aside);
	*p = (struct revive_plan){0};
}

/* State of one call to revive_plan(). */
struct revive_case {
	const struct bind_env *env;
	const struct revive_request *q;
	struct revive_plan *plan;
	struct err *e;
	struct pci_device *all; /* every function of the host */
	size_t count;
	char address[PCI_ADDRESS_TEXT];
};

static int problem_add(struct revive_case *c, const struct problem_kind *kind, const char *text)
{
	const struct bind_request q = {.allow = c->q->allow, .allow_count = c->q->allow_count};

	return bind_problem_add(&c->plan->says, &q, kind, c->address, "%s", text);
}

/* The closest bridge that answers, in a list from the root down. Return: false if there is none. */
static bool answering_port(struct host *h, const struct pci_upstream *u, size_t *ret)
{
	for (size_t i = u->count; i--;) {
		const struct pci_device d = {.address = u->bridges[i]};
		int r = pci_device_is_dead(h, &d);
		if (r == 1 || r == -ETIMEDOUT)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

/* Sets the port and the card from the bridges above @below. */
static void port_choose(struct revive_case *c, struct pci_address below)
{
	struct host *h = c->env->host;
	struct revive_plan *p = c->plan;
	struct pci_upstream u = {0};
	size_t at = 0;

	p->card = p->address;
	if (pci_upstream_read(h, below, &u) < 0)
		return;
	/* A gone device was behind @below itself. */
	if (!pci_address_equal(below, p->address) && u.count < PCI_UPSTREAM_MAX)
		u.bridges[u.count++] = below;
	p->has_port = answering_port(h, &u, &at);
	if (!p->has_port)
		return;
	if (at + 1 < u.count)
		p->card = u.bridges[at + 1];
	revive_port_read(h, u.bridges[at], p->card, &p->port);
}

static bool bus_exists(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "/sys/class/pci_bus/%04x:%02x", a.domain, a.bus) ==
		       0 &&
	       h->ops->link(h, path, target, sizeof(target)) > 0;
}

/* Others on its bus are behind the same port; a snapshot may lack the numbers of buses. */
static bool port_of_neighbour(const struct revive_case *c, struct pci_address *ret)
{
	struct pci_address a = c->plan->address;

	for (size_t i = 0; i < c->count; i++) {
		const struct pci_device *d = &c->all[i];
		if (d->address.domain != a.domain || d->address.bus != a.bus || !d->has_parent)
			continue;
		*ret = d->parent;
		return true;
	}
	return false;
}

static int port_of_gone(struct revive_case *c)
{
	static const struct problem_kind none = {"port", PROBLEM_REFUSES,
		"if the device was there, name the port that it was behind: --port ADDRESS"};
	struct revive_plan *p = c->plan;
	struct pci_address port = c->q->port;
	char text[96];

	if (!c->q->has_port && !port_of_neighbour(c, &port) &&
		revive_port_leading_to(c->env->host, c->all, c->count, p->address, &port) < 0) {
		if (bus_exists(c->env->host, p->address))
			return 0;
		if (!p->known.has_port) {
			(void)snprintf(text, sizeof(text),
				"is not there, and no port of this host leads to bus %02x",
				p->address.bus);
			return problem_add(c, &none, text);
		}
		port = p->known.port;
	}
	port_choose(c, port);
	return 0;
}

static const struct pci_device *device_find(const struct revive_case *c, struct pci_address a)
{
	for (size_t i = 0; i < c->count; i++)
		if (pci_address_equal(c->all[i].address, a))
			return &c->all[i];
	return NULL;
}

/* Checks --port: a bridge that is there, and above the device if that is there. */
static int port_check(struct revive_case *c)
{
	static const struct problem_kind other = {"port", PROBLEM_REFUSES,
		"usher list --tree shows the ports and what is behind them"};
	const struct pci_device *port = device_find(c, c->q->port);
	char text[96], name[PCI_ADDRESS_TEXT];
	struct pci_upstream u = {0};

	if (!c->q->has_port)
		return 0;
	pci_address_format(c->q->port, name);
	if (!port || !port->is_bridge) {
		(void)snprintf(text, sizeof(text), "--port: %s is %s", name,
			port ? "no bridge" : "not there");
		return problem_add(c, &other, text);
	}
	if (c->plan->state == REVIVE_GONE)
		return 0;
	if (pci_upstream_read(c->env->host, c->plan->address, &u) == 0 &&
		pci_upstream_has(&u, c->q->port))
		return 0;
	(void)snprintf(text, sizeof(text), "is not behind %s", name);
	return problem_add(c, &other, text);
}

/* Every other function below the port, or below the device itself on a root bus. */
static int find_beside(struct revive_case *c)
{
	struct host *h = c->env->host;
	struct revive_plan *p = c->plan;
	struct pci_address above = p->has_port ? p->port.address : p->address;
	struct pci_upstream u;

	p->beside = calloc(c->count ? c->count : 1, sizeof(*p->beside));
	if (!p->beside)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		struct pci_address a = c->all[i].address;
		struct pci_device *d = &p->beside[p->beside_count];
		if (pci_address_equal(a, p->address) || pci_upstream_read(h, a, &u) < 0 ||
			!pci_upstream_has(&u, above))
			continue;
		/* A function that has left meanwhile has no users. */
		p->beside_count += pci_device_read(h, a, d, NULL) == 0;
	}
	return 0;
}

static int override_add(struct revive_plan *p, struct pci_address a, const char *driver)
{
	if (!driver[0])
		return 0;
	for (size_t i = 0; i < p->override_count; i++)
		if (pci_address_equal(p->overrides[i].address, a))
			return 0;
	struct revive_override *list =
		reallocarray(p->overrides, p->override_count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	p->overrides = list;
	struct revive_override *o = &list[p->override_count++];
	o->address = a;
	(void)snprintf(o->driver, sizeof(o->driver), "%s", driver);
	return 0;
}

/* A device that was bound manually and is gone: the journal has the driver that it was bound to. */
static int override_of_gone(struct revive_case *c)
{
	struct revive_plan *p = c->plan;
	struct bind_lease *leases = NULL;
	size_t count = 0;

	int r = bind_leases(c->env, &leases, &count, c->e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct bind_entry n = BIND_ENTRY_NONE;
		if (leases[i].state != BIND_LEASE_MANUAL ||
			bind_journal_read(c->env, leases[i].group, &n, NULL) < 0)
			continue;
		const struct bind_was *was = bind_entry_find(&n, p->address);
		if (was && strcmp(was->to, was->driver) != 0)
			r = override_add(p, p->address, was->to);
		bind_entry_fini(&n);
	}
	free(leases);
	return r;
}

static int find_overrides(struct revive_case *c)
{
	struct revive_plan *p = c->plan;

	int r = p->state == REVIVE_GONE ? override_of_gone(c)
					: override_add(p, p->address, p->device.driver_override);
	for (size_t i = 0; r == 0 && i < p->beside_count; i++)
		r = override_add(p, p->beside[i].address, p->beside[i].driver_override);
	return r;
}

static int find_known(struct revive_case *c)
{
	struct revive_plan *p = c->plan;
	struct revive_known *k = &p->known;
	const struct bind_target *t = &c->q->function;

	/* The kernel keeps what it learned before a device died. */
	if (p->state != REVIVE_GONE && p->device.vendor != UINT16_MAX) {
		k->has_id = true;
		k->vendor = p->device.vendor;
		k->device = p->device.device;
		(void)snprintf(k->driver, sizeof(k->driver), "%s", p->device.driver);
		(void)snprintf(k->source, sizeof(k->source), "the kernel");
		return 0;
	}
	int r = revive_known_find(c->env, p->address, c->q->before, c->q->claims, k, c->e);
	if (r == 0 && t->has_id && !k->has_id) {
		k->has_id = true;
		k->vendor = t->vendor;
		k->device = t->device;
		(void)snprintf(k->source, sizeof(k->source), "--id");
	}
	return r;
}

static int check_id(struct revive_case *c)
{
	static const struct problem_kind id = {"id", PROBLEM_REFUSES,
		"addresses move when cards are added: find the device by its id again"};
	const struct bind_target *t = &c->q->function;
	const struct revive_known *k = &c->plan->known;
	char text[64];

	if (!t->has_id || !k->has_id || (t->vendor == k->vendor && t->device == k->device))
		return 0;
	(void)snprintf(text, sizeof(text), "expected %04x:%04x, found %04x:%04x", t->vendor,
		t->device, k->vendor, k->device);
	return problem_add(c, &id, text);
}

static int plan_dead(struct revive_case *c)
{
	struct revive_plan *p = c->plan;

	int r = port_check(c);
	if (r < 0 || p->says.refusals)
		return r;
	if (p->state == REVIVE_GONE)
		r = port_of_gone(c);
	else
		port_choose(c, p->address);
	if (r < 0 || p->says.refusals)
		return r;
	r = find_beside(c);
	if (r < 0)
		return r;
	r = find_overrides(c);
	if (r == 0)
		r = revive_gate(c->env, c->q, p, c->e);
	return r < 0 || p->says.refusals ? r : revive_steps_add(c->env->host, p);
}

static int plan_case(struct revive_case *c)
{
	struct revive_plan *p = c->plan;

	int r = pci_device_list(c->env->host, &c->all, &c->count, c->e);
	if (r < 0)
		return r;
	r = find_known(c);
	if (r < 0)
		return r;
	r = check_id(c);
	return r < 0 || p->says.refusals || p->state == REVIVE_ANSWERS ? r : plan_dead(c);
}

int revive_plan(const struct bind_env *env, const struct revive_request *q, struct revive_plan *ret,
	struct err *e)
{
	struct revive_plan p = {.address = q->function.address, .card = q->function.address};
	struct revive_case c = {.env = env, .q = q, .plan = &p, .e = e};

	pci_address_format(p.address, c.address);
	p.state = revive_state_read(env->host, p.address, &p.device);
	int r = plan_case(&c);
	free(c.all);
	if (r < 0) {
		revive_plan_fini(&p);
		return e && e->code == r ? r : err_set(e, r, "plan");
	}
	*ret = p;
	return 0;
}

bool revive_is_withheld(const struct revive_plan *p)
{
	for (size_t i = 0; i < p->step_count; i++)
		if (p->steps[i].withheld)
			return true;
	return false;
}

const char *revive_kind_name(enum revive_kind k)
{
	static const char *const names[] = {
		[REVIVE_WAKE] = "wake",
		[REVIVE_RESET] = "reset",
		[REVIVE_REMOVE] = "remove",
		[REVIVE_SCAN] = "scan",
		[REVIVE_REMOVE_ALL] = "remove-all",
		[REVIVE_SLOT] = "slot",
		[REVIVE_RETRAIN] = "retrain",
		[REVIVE_KINDS] = "",
	};

	return names[k];
}

const char *revive_kind_text(enum revive_kind k)
{
	static const char *const texts[] = {
		[REVIVE_WAKE] = "keep it and its port awake",
		[REVIVE_RESET] = "reset it from outside",
		[REVIVE_REMOVE] = "remove it, scan its bus",
		[REVIVE_SCAN] = "scan its bus",
		[REVIVE_REMOVE_ALL] = "remove all devices of its bus, scan it",
		[REVIVE_SLOT] = "switch the power of its slot",
		[REVIVE_RETRAIN] = "train the link of its port again",
		[REVIVE_KINDS] = "",
	};

	return texts[k];
}
