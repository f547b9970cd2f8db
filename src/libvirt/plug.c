/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a device is in the running domain only while the journal has its group for that
 * domain. usher takes the group first, unless the domain has it already, and returns it when
 * libvirt no longer shows a member.
 *
 * libvirt finds the devices on vfio-pci and leaves them there, also those that it manages. It
 * removes a device from the domain's XML when QEMU reports it gone, and not when it asks the guest
 * for it. So the XML says when a group can be returned.
 */
#include "libvirt/plug.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "base/signals.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "libvirt/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 200
#define LEFT_MAX 256

static int owner_read(const struct libvirt_plug *p, struct bind_owner *ret, struct err *e)
{
	struct bind_owner o = {.space = bind_owner_space(p->env->host)};

	int r = bind_owner_domain(p->state->name, o.domain);
	if (r < 0)
		return err_set(e, r, "name of the domain");
	r = libvirt_process_read(p->env->host, p->run, p->state->name, &o.pid, e);
	if (r == -ENOENT)
		err_hint(e, "usher attaches to running domains of qemu:///system alone");
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

	if (libvirt_domain_has(change_devices(c), a) || c->done_count == COUNT(c->done))
		return 0;
	int r = libvirt_guest_attach(c->plug->guest, a, c->scope, c->e);
	if (r == 0)
		c->done[c->done_count++] = a;
	return r;
}

static int member_detach(void *arg, struct pci_address a)
{
	struct change *c = arg;

	if (!libvirt_domain_has(change_devices(c), a) || c->done_count == COUNT(c->done))
		return 0;
	c->done[c->done_count++] = a;
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

/* Returns the groups that the journal has for the domain. Return: their number, -errno. */
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

/* What one member was refused undoes the others: a group is there as a whole, or not at all. */
int libvirt_plug_config(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	struct change *c = change_new(p, LIBVIRT_CONFIG, e);

	if (!c)
		return -ENOMEM;
	int r = members_each(plan, member_attach, c);
	while (r < 0 && c->done_count > 0)
		(void)libvirt_guest_detach(
			p->guest, c->done[--c->done_count], LIBVIRT_CONFIG, NULL);
	r = r < 0 ? r : (int)c->done_count;
	free(c);
	return r;
}

int libvirt_unplug_config(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	struct change *c = change_new(p, LIBVIRT_CONFIG, e);

	if (!c)
		return -ENOMEM;
	int r = members_each(plan, member_detach, c);
	r = r < 0 ? r : (int)c->done_count;
	free(c);
	return r;
}

struct search {
	size_t count; /* of devices that the guest still has */
	char names[LEFT_MAX]; /* of the first ones: "0000:01:00.0, 0000:01:00.1" */
};

static void search_note(struct search *s, struct pci_address a)
{
	char address[PCI_ADDRESS_TEXT];
	size_t used = strlen(s->names);

	s->count++;
	if (used + 2 + sizeof(address) < sizeof(s->names))
		(void)snprintf(s->names + used, sizeof(s->names) - used, "%s%s", used ? ", " : "",
			pci_address_format(a, address));
}

/* What the guest still has of the devices of @c. Return: 0, -errno. */
static int change_look(const struct change *c, struct search *ret, struct err *e)
{
	struct libvirt_state now;

	*ret = (struct search){0};
	int r = libvirt_guest_state(c->plug->guest, &now, e);
	if (r < 0)
		return r;
	for (size_t i = 0; now.runs && i < c->done_count; i++)
		if (libvirt_domain_has(&now.running, c->done[i]))
			search_note(ret, c->done[i]);
	libvirt_state_fini(&now);
	return 0;
}

/* Whether the caller, which has blocked them, got one of the signals that end a program. */
static bool is_interrupted(void)
{
	sigset_t ends, came;

	signals_that_end(&ends);
	if (sigpending(&came) < 0)
		return false;
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&ends, number) == 1 && sigismember(&came, number) == 1)
			return true;
	return false;
}

/* Until the guest has let the devices of @c go. */
static int change_await(const struct change *c, struct err *e)
{
	const struct timespec pause = {0, POLL_MS * 1000000};
	const int64_t end = clock_ms() + c->plug->timeout_ms;
	struct search left;
	bool interrupted = false;
	int r = change_look(c, &left, e);

	while (r == 0 && left.count && clock_ms() < end && !interrupted) {
		(void)nanosleep(&pause, NULL);
		interrupted = is_interrupted();
		r = change_look(c, &left, e);
	}
	if (r < 0 || !left.count)
		return r;
	r = interrupted ? -EINTR : -ETIMEDOUT;
	err_say(e, r, "%s: the guest of domain '%s' still has %s%s", left.names,
		c->plug->state->name, left.count == 1 ? "it" : "them",
		interrupted ? ", and a signal ended the wait" : "");
	err_hint(e, "libvirt has asked the guest; when it lets go, repeat this command");
	return r;
}

/*
 * What one member was refused undoes the others. The reason stays the first one. A guest that does
 * not let them go keeps the groups: the hook returns them at the domain's end.
 */
static void plug_undo(const struct libvirt_plug *p, const struct bind_plan *taken,
	const struct change *c, struct err *e)
{
	const struct err first = *e;
	struct err why = {0};

	for (size_t i = 0; i < c->done_count; i++)
		(void)libvirt_guest_detach(p->guest, c->done[i], LIBVIRT_LIVE, NULL);
	int r = c->done_count ? change_await(c, &why) : 0;
	r = r < 0 ? r : groups_return(p, taken, &why);
	if (r >= 0)
		return;
	err_say(e, first.code, "%s; to undo the rest failed: %s", first.msg, why.msg);
	err_hint(e, "%s", why.hint);
}

/* Whether @o has the group already: the domain started with one of its members, or got one. */
static bool owner_has(
	const struct bind_lease *leases, size_t count, int group, const struct bind_owner *o)
{
	for (size_t i = 0; i < count; i++)
		if (leases[i].group == group && bind_owner_equal(&leases[i].owner, o))
			return leases[i].state == BIND_LEASE_LIVE;
	return false;
}

/* Takes the groups of @plan that the owner does not have. @ret: these, or why not. */
static int groups_take(const struct libvirt_plug *p, const struct bind_plan *plan,
	const struct bind_owner *o, struct bind_plan *ret, struct err *e)
{
	struct bind_request q = *p->request;
	struct bind_lease *leases = NULL;
	size_t count = 0;

	cleanup_free struct bind_target *targets = calloc(q.target_count, sizeof(*targets));
	if (!targets)
		return err_set(e, -ENOMEM, "change a domain");
	int r = bind_leases(p->env, &leases, &count, e);
	if (r < 0)
		return r;
	q.targets = targets;
	q.target_count = 0;
	q.owner = *o;
	for (size_t i = 0; i < plan->group_count; i++)
		for (size_t k = 0; k < plan->groups[i].count; k++)
			if (plan->groups[i].members[k].is_target &&
				!owner_has(leases, count, plan->groups[i].number, o))
				targets[q.target_count++].address =
					plan->groups[i].members[k].device.address;
	free(leases);
	return q.target_count ? bind_take(p->env, &q, ret, e) : 0;
}

/* @plan: of all groups. @taken gets those that are taken now. */
static int plug_planned(const struct libvirt_plug *p, const struct bind_plan *plan,
	struct bind_plan *taken, struct err *e)
{
	struct bind_owner owner;

	int r = owner_read(p, &owner, e);
	if (r < 0)
		return r;
	struct change *c = change_new(p, LIBVIRT_LIVE, e);
	if (!c)
		return -ENOMEM;
	r = groups_take(p, plan, &owner, taken, e);
	if (r == 0) {
		r = members_each(plan, member_attach, c);
		if (r < 0)
			plug_undo(p, taken, c, e);
	}
	free(c);
	return r;
}

/* What was taken counts; but the domain may have had some of the groups before. */
static void plan_settle(struct bind_plan *all, struct bind_plan *taken, int r)
{
	if ((r < 0 && taken->refusals) || (r == 0 && taken->group_count == all->group_count)) {
		struct bind_plan other = *all;
		*all = *taken;
		*taken = other;
	} else {
		all->problem_count = 0; /* the domain itself uses them */
		all->refusals = 0;
	}
}

int libvirt_plug_live(const struct libvirt_plug *p, struct bind_plan *ret, struct err *e)
{
	struct bind_plan taken = BIND_PLAN_NONE;
	struct err why = {0};

	*ret = BIND_PLAN_NONE;
	int r = bind_plan(p->env, p->request, ret, e);
	if (r < 0)
		return r;
	/* Without an IOMMU group there is nothing to take: bind_take() says why. */
	r = ret->group_count ? plug_planned(p, ret, &taken, &why)
			     : bind_take(p->env, p->request, &taken, &why);
	plan_settle(ret, &taken, r);
	bind_plan_fini(&taken);
	if (r < 0 && e)
		*e = why;
	return r;
}

int libvirt_unplug_live(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e)
{
	struct change *c = change_new(p, LIBVIRT_LIVE, e);

	if (!c)
		return -ENOMEM;
	int r = members_each(plan, member_detach, c);
	int count = (int)c->done_count;
	r = r < 0 ? r : change_await(c, e);
	free(c);
	r = r < 0 ? r : groups_return(p, plan, e);
	return r < 0 ? r : count + r;
}
