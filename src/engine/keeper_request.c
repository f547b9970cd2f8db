/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "bind/owner.h"
#include "engine/keeper.h"
#include "host/host.h"

int keeper_request(const struct keeper *k, struct bind_target *targets, struct bind_request *ret,
	struct err *e)
{
	*ret = (struct bind_request){
		.targets = targets,
		.target_count = k->spec->device_count,
		.allow = k->allow,
		.allow_count = k->allow_count,
		.access = BIND_ACCESS_NONE,
	};
	for (size_t i = 0; i < k->spec->device_count; i++) {
		const struct guest_device *d = &k->spec->devices[i];
		targets[i] = (struct bind_target){
			.address = d->address,
			.has_id = d->vendor != 0,
			.vendor = d->vendor,
			.device = d->device,
		};
	}
	/* A plan on a snapshot has no owner there. */
	if (k->env.host != host_live())
		return 0;
	int r = bind_owner_self(&k->env, k->spec->name, &ret->owner);
	return r < 0 ? err_set(e, r, "learn our own start time") : 0;
}
