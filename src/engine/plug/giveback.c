/* SPDX-License-Identifier: MIT */
#include "engine/plug/giveback.h"

#include "base/clock.h"
#include "base/err.h"
#include "bind/lease.h"
#include "bind/owner.h"
#include "engine/wipe.h"

#include <errno.h>
#include <stdlib.h>

static int group_give_back(const struct keeper *k, const struct bind_release_request *giving,
	const struct giveback_listener *l)
{
	struct bind_report report = BIND_REPORT_NONE;
	struct err e = {0};
	int64_t begun = clock_ms();

	int r = bind_release(&k->env, giving, &report, &e);
	l->tell(l->arg, (struct keeper_news){
				.event = r < 0 ? KEEPER_STUCK : KEEPER_GIVEN,
				.group = giving->group,
				.report = &report,
				.error = &e,
				.us = (clock_ms() - begun) * 1000,
			});
	bind_report_fini(&report);
	return r;
}

static bool plan_has(const struct bind_plan *plan, int group)
{
	for (size_t i = 0; i < plan->group_count; i++)
		if (plan->groups[i].number == group)
			return true;
	return false;
}

/* What the journal has for the keeper, in a list of numbers. */
struct owned {
	size_t count;
	int *groups;
	bool unknown; /* it could not be read */
};

static struct owned owned_read(const struct keeper *k, const struct bind_owner *owner)
{
	struct bind_lease *leases = NULL;
	struct owned o = {0};
	size_t count = 0;

	o.unknown = bind_leases(&k->env, &leases, &count, NULL) < 0;
	o.groups = calloc(count + 1, sizeof(*o.groups));
	o.unknown |= !o.groups;
	for (size_t i = 0; o.groups && i < count; i++)
		if (bind_owner_equal(&leases[i].owner, owner))
			o.groups[o.count++] = leases[i].group;
	free(leases);
	return o;
}

static bool owned_has(const struct owned *o, int group)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->groups[i] == group)
			return true;
	return o->unknown;
}

int giveback_groups(const struct keeper *k, const struct bind_plan *plan,
	const struct bind_owner *owner, const struct wipe *wipe, const struct giveback_listener *l)
{
	struct pci_address unwiped[SPEC_DEVICES_MAX];
	struct bind_release_request giving = {
		.how = k->how,
		.owner = *owner,
		.allow = k->allow,
		.allow_count = k->allow_count,
		.unwiped = unwiped,
		.unwiped_count = wipe_failed(wipe, unwiped),
	};
	struct owned owned = owned_read(k, owner);
	int worst = 0;

	for (size_t i = 0; i < plan->group_count; i++) {
		giving.group = plan->groups[i].number;
		if (owned_has(&owned, giving.group) && group_give_back(k, &giving, l) < 0)
			worst = -EUCLEAN;
	}
	for (size_t i = 0; i < owned.count; i++) {
		giving.group = owned.groups[i];
		if (!plan_has(plan, giving.group) && group_give_back(k, &giving, l) < 0)
			worst = -EUCLEAN;
	}
	free(owned.groups);
	return worst;
}
