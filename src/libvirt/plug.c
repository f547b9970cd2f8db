/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a device is in the running domain only while the journal has its group for that
 * domain. usher takes the group first, and returns it when libvirt no longer shows a member.
 *
 * libvirt has the devices unmanaged: it finds them on vfio-pci and leaves them there. It removes a
 * device from the domain's XML when QEMU reports it gone, and not when it asks the guest for it. So
 * the XML says when a group can be returned.
 */
#include "libvirt/plug.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "libvirt/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 200

static bool domain_has(const struct libvirt_domain *d, struct pci_address a)
{
	for (size_t i = 0; i < d->count; i++)
		if (pci_address_equal(d->devices[i].address, a))
			return true;
	return false;
}

static int owner_read(const struct libvirt_plug *p, struct bind_owner *ret, struct err *e)
{
	struct bind_owner o = {.space = bind_owner_space(p->env->host)};

	int r = bind_owner_domain(p->state->name, o.domain);
	if (r < 0)
		return err_set(e, r, "name of the domain");
	r = libvirt_process_read(p->env->host, p->run, p->state->name, &o.pid, e);
	if (r < 0)
		return r;
	r = bind_owner_start(p->env->host, o.pid, &o.start);
	if (r < 0)
		return err_set(e, r, "process %d of the domain", (int)o.pid);
	*ret = o;
	return 0;
}

/* Calls @each for each member of the plan that a domain can have, until it fails. */
static int members_each(
	const struct bind_plan *plan, int (*each)(void *arg, struct pci_address a), void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->group_count; i++)
		for (size_t k = 0; r == 0 && k < plan->groups[i].count; k++)
			if (plan->groups[i].members[k].act != BIND_ACT_STAYS)
				r = each(arg, plan->groups[i].members[k].device.address);
	return r;
}

/* One change of a domain, device by device. */
struct change {
	const struct libvirt_plug *plug;
	enum libvirt_scope scope;
	struct pci_address done[BIND_MEMBERS_MAX];
	size_t done_count;
	struct err *e;
};

static const struct libvirt_domain *change_devices(const struct change *c)
{
	return c->scope == LIBVIRT_LIVE ? &c->plug->state->running : &c->plug->state->configured;
}

static int member_attach(void *arg, struct pci_address a)
{
	struct change *c = arg;

	if (domain_has(change_devices(c), a) || c->done_count == COUNT(c->done))
		return 0;
	int r = libvirt_guest_attach(c->plug->guest, a, c->scope == LIBVIRT_CONFIG, c->scope, c->e);
	if (r == 0)
		c->done[c->done_count++] = a;
	return r;
}

static int member_detach(void *arg, struct pci_address a)
{
	struct change *c = arg;

	if (!domain_has(change_devices(c), a))
		return 0;
	c->done_count++;
	return libvirt_guest_detach(c->plug->guest, a, c->scope, c->e);
}

static struct change *change_new(
	const struct libvirt_plug *p, enum libvirt_scope scope, struct err *e)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		(void)err_set(e, -ENOMEM, "change a domain");
	else
		*c = (struct change){.plug = p, .scope = scope, .e = e};
	return c;
}

/* Returns the groups of the plan that the journal has for the domain. Return: their number. */
static int groups_return(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	char domain[BIND_DOMAIN_MAX];
	struct bind_lease *leases = NULL;
	size_t count = 0;
	int returned = 0;

	int r = bind_owner_domain(p->state->name, domain);
	if (r == 0)
		r = bind_leases(p->env, &leases, &count, e);
	for (size_t i = 0; r == 0 && i < count * plan->group_count; i++) {
		const struct bind_lease *l = &leases[i % count];
		struct bind_release_request g = {.group = l->group, .owner = l->owner};
		struct bind_report done = BIND_REPORT_NONE;
		if (plan->groups[i / count].number != l->group ||
			strcmp(l->owner.domain, domain) != 0)
			continue;
		r = bind_release(p->env, &g, &done, e);
		bind_report_fini(&done);
		returned++;
	}
	free(leases);
	return r < 0 ? r : returned;
}

/* What one member was refused undoes the others. The reason stays the first one. */
static void plug_undo(
	const struct libvirt_plug *p, const struct bind_plan *plan, const struct change *c)
{
	for (size_t i = 0; i < c->done_count; i++)
		(void)libvirt_guest_detach(p->guest, c->done[i], LIBVIRT_LIVE, NULL);
	(void)groups_return(p, plan, NULL);
}

int libvirt_plug_live(const struct libvirt_plug *p, struct bind_plan *ret, struct err *e)
{
	struct bind_request q = *p->request;

	*ret = BIND_PLAN_NONE;
	int r = owner_read(p, &q.owner, e);
	if (r < 0)
		return r;
	struct change *c = change_new(p, LIBVIRT_LIVE, e);
	if (!c)
		return -ENOMEM;
	r = bind_take(p->env, &q, ret, e);
	if (r == 0) {
		r = members_each(ret, member_attach, c);
		if (r < 0)
			plug_undo(p, ret, c);
	}
	free(c);
	return r;
}

static int config_change(const struct libvirt_plug *p, const struct bind_plan *plan,
	int (*each)(void *arg, struct pci_address a), struct err *e)
{
	struct change *c = change_new(p, LIBVIRT_CONFIG, e);

	if (!c)
		return -ENOMEM;
	int r = members_each(plan, each, c);
	r = r < 0 ? r : (int)c->done_count;
	free(c);
	return r;
}

int libvirt_plug_config(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	return config_change(p, plan, member_attach, e);
}

int libvirt_unplug_config(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	return config_change(p, plan, member_detach, e);
}

struct search {
	const struct libvirt_domain *running;
	char left[PCI_ADDRESS_TEXT]; /* a member that the guest still has */
};

static int member_search(void *arg, struct pci_address a)
{
	struct search *s = arg;

	if (!domain_has(s->running, a))
		return 0;
	pci_address_format(a, s->left);
	return 1;
}

/* Return: 0 all are gone, 1 @left names one that is not, -errno. */
static int members_look(const struct libvirt_plug *p, const struct bind_plan *plan,
	char left[PCI_ADDRESS_TEXT], struct err *e)
{
	struct libvirt_state now;
	struct search s = {.running = &now.running};

	int r = libvirt_guest_state(p->guest, &now, e);
	if (r < 0)
		return r;
	r = now.runs ? members_each(plan, member_search, &s) : 0;
	memcpy(left, s.left, sizeof(s.left));
	libvirt_state_fini(&now);
	return r;
}

static int members_await(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	const struct timespec pause = {0, POLL_MS * 1000000};
	const int64_t end = clock_ms() + p->timeout_ms;
	char left[PCI_ADDRESS_TEXT];
	int r = members_look(p, plan, left, e);

	while (r == 1 && clock_ms() < end) {
		(void)nanosleep(&pause, NULL);
		r = members_look(p, plan, left, e);
	}
	if (r != 1)
		return r;
	err_say(e, -ETIMEDOUT, "%s: the guest of domain '%s' has not let it go", left,
		p->state->name);
	err_hint(e, "libvirt has asked the guest; when it lets go, repeat this command");
	return -ETIMEDOUT;
}

int libvirt_unplug_live(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	struct change *c = change_new(p, LIBVIRT_LIVE, e);

	if (!c)
		return -ENOMEM;
	int r = members_each(plan, member_detach, c);
	int count = (int)c->done_count;
	free(c);
	r = r < 0 ? r : members_await(p, plan, e);
	r = r < 0 ? r : groups_return(p, plan, e);
	return r < 0 ? r : count + r;
}
