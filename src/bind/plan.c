/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: planning only reads. bind_take() plans again under the locks and carries out exactly
 * that plan, so what --dry-run prints is what happens.
 *
 * bind_plan() adds the group of each target once, whole. Each member gets an act: TAKE, ALREADY or
 * STAYS. Bridges and, with `only`, siblings stay. A member to take also gets its driver, the
 * framebuffer to unbind first and the BARs to resize. The driver is vfio-pci, the variant that
 * matches best, or the one that the caller named.
 *
 * Then the gate (gate.c) adds its problems: all of them, not only the first. A refusal is part of a
 * plan, not an error.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/framebuffer.h"
#include "bind/gate.h"
#include "bind/journal.h"
#include "bind/module.h"
#include "bind/owner.h"
#include "bind/problem.h"
#include "bind/resize.h"
#include "bind/variant.h"
#include "hold/hold.h"
#include "host/host.h"
#include "pci/group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bind_plan_fini(struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		free(p->groups[i].members);
	free(p->groups);
	free(p->problems);
	free(p->disks);
	*p = BIND_PLAN_NONE;
}

static const struct bind_target *find_target(const struct bind_request *q, struct pci_address a)
{
	for (size_t i = 0; i < q->target_count; i++)
		if (pci_address_equal(q->targets[i].address, a))
			return &q->targets[i];
	return NULL;
}

/* The driver's name is known once its module is loaded; most share it. */
static void name_variant(struct host *h, struct bind_member *m)
{
	if (bind_module_driver(h, m->module, m->driver, sizeof(m->driver)) < 0)
		(void)snprintf(m->driver, sizeof(m->driver), "%s", m->module);
}

int bind_group_of(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], name[16];
	uint64_t number;

	int r = pci_device_path(a, "iommu_group", path, sizeof(path));
	if (r == 0)
		r = host_link_name(h, path, name, sizeof(name));
	return r < 0 || num_parse(name, 10, INT32_MAX, &number) < 0 ? PCI_GROUP_NONE : (int)number;
}

static int choose_driver(struct bind_case *c, struct bind_member *m)
{
	char path[FILE_PATH_MAX], modalias[256];
	struct host *h = c->env->host;
	const char *driver = "vfio-pci";

	if (c->q->driver && m->is_target)
		driver = c->q->driver;
	if (!c->q->driver) {
		int r = pci_device_path(m->device.address, "modalias", path, sizeof(path));
		if (r == 0)
			r = host_read_text(h, path, modalias, sizeof(modalias));
		if (r > 0)
			r = bind_variant_find(c->env, modalias, m->module, sizeof(m->module));
		if (r == 0) {
			name_variant(h, m);
			return 0;
		}
		if (r == -ENOMEM)
			return r;
	}
	(void)snprintf(m->driver, sizeof(m->driver), "%s", driver);
	(void)snprintf(m->module, sizeof(m->module), "%s", driver);
	return 0;
}

static int member_decide(struct bind_case *c, struct bind_member *m)
{
	const struct pci_device *d = &m->device;
	const char *driver = m->is_target && c->q->driver ? c->q->driver : NULL;

	m->act = BIND_ACT_STAYS;
	if (d->is_bridge || (!m->is_target && (c->q->only || bind_is_platform(d))))
		return 0;
	if (driver ? strcmp(d->driver, driver) == 0 : bind_on_vfio(c->env->host, d)) {
		m->act = BIND_ACT_ALREADY;
		(void)snprintf(m->driver, sizeof(m->driver), "%s", d->driver);
		return 0;
	}
	m->act = BIND_ACT_TAKE;
	return c->q->survey ? 0 : choose_driver(c, m);
}

/* Changes to a member besides its driver. */
static int member_decide_rest(struct bind_case *c, struct bind_member *m)
{
	const struct bind_target *t = find_target(c->q, m->device.address);
	int r = bind_framebuffer_plan(c, m);

	return r == 0 && t && !m->device.is_bridge ? bind_resize_plan(c, t, m) : r;
}

/* Access to its nodes: as requested now, or when it was taken. */
static struct bind_access access_of(struct bind_case *c, const struct bind_group *g)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	struct bind_access a = c->q->access;
	char boot[BIND_BOOT_MAX];

	if (!bind_access_is(&a) && bind_journal_read(c->env, g->number, &n, NULL) == 0 &&
		bind_boot_id(c->env->host, boot, NULL) == 0 && strcmp(n.boot, boot) == 0 &&
		!bind_entry_is_past(g, &n))
		a = n.access;
	bind_entry_fini(&n);
	return a;
}

static int add_group(struct bind_case *c, int number)
{
	struct bind_plan *p = c->plan;
	struct pci_group g;

	for (size_t i = 0; i < p->group_count; i++)
		if (p->groups[i].number == number)
			return 0;
	int r = pci_group_read(c->env->host, number, &g, c->e);
	if (r < 0)
		return r;
	struct bind_group *list = reallocarray(p->groups, p->group_count + 1, sizeof(*list));
	struct bind_member *members = list ? calloc(g.count ? g.count : 1, sizeof(*members)) : NULL;
	p->groups = list ? list : p->groups;
	if (members) {
		list[p->group_count++] =
			(struct bind_group){number, g.count, members, c->q->access};
		for (size_t i = 0; r == 0 && i < g.count; i++) {
			members[i].device = g.members[i];
			members[i].is_target = find_target(c->q, g.members[i].address);
			r = member_decide(c, &members[i]);
			if (r == 0 && !c->q->survey)
				r = member_decide_rest(c, &members[i]);
		}
		list[p->group_count - 1].access = access_of(c, &list[p->group_count - 1]);
	} else {
		r = err_set(c->e, -ENOMEM, "group %d", number);
	}
	pci_group_fini(&g);
	return r;
}

/* The target among the members that were read with its group. */
static const struct pci_device *find_member(const struct bind_plan *p, struct pci_address a)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			if (pci_address_equal(p->groups[i].members[k].device.address, a))
				return &p->groups[i].members[k].device;
	return NULL;
}

static int add_target(struct bind_case *c, const struct bind_target *t)
{
	struct pci_device d;

	int group = bind_group_of(c->env->host, t->address);
	int r = group < 0 ? 0 : add_group(c, group);
	const struct pci_device *member = find_member(c->plan, t->address);
	if (r < 0)
		return r;
	if (member)
		return bind_gate_target(c, t, member);
	r = pci_device_read(c->env->host, t->address, &d, c->e);
	/* Nothing is in use, and nothing is unsafe: this is no refusal. */
	if (r == -ENODEV)
		err_hint(c->e, "usher list");
	return r < 0 ? r : bind_gate_target(c, t, &d);
}

int bind_plan(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e)
{
	struct bind_plan p = BIND_PLAN_NONE;
	struct bind_case c = {.env = env, .q = q, .plan = &p, .e = e};
	int r = 0;

	if (!q->target_count)
		return err_say(e, -EINVAL, "no device given");
	if (q->driver && !bind_name_ok(q->driver))
		return err_say(e, -EINVAL, "not a driver name");
	if (q->driver && !bind_name_is_vfio(q->driver))
		return err_say(e, -EINVAL,
			"driver '%s' is not a VFIO driver, and may not know the device", q->driver);
	for (size_t i = 0; r == 0 && i < q->target_count; i++)
		r = add_target(&c, &q->targets[i]);
	for (size_t i = 0; r == 0 && i < p.group_count; i++)
		r = bind_gate_group(&c, &p.groups[i]);
	for (size_t i = 0; r == 0 && i < p.group_count; i++)
		p.groups[i].viable = bind_gate_viable(env->host, &p.groups[i]);
	for (size_t i = 0; r == 0 && !p.refusals && i < p.group_count; i++)
		r = bind_gate_resets(&c, &p.groups[i]);
	hold_view_free(c.view);
	hold_view_free(c.unopened);
	if (r < 0) {
		bind_plan_fini(&p);
		return e && e->code == r ? r : err_set(e, r, "plan");
	}
	*ret = p;
	return 0;
}
