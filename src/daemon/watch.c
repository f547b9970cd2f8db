/* SPDX-License-Identifier: MIT */
#include "daemon/watch.h"

#include "daemon/health.h"
#include "daemon/machines.h"
#include "daemon/sleep.h"

#include <errno.h>
#include <stdlib.h>

struct watch {
	struct health *health;
	struct sleep *sleep;
	struct machines *machines;
};

int watch_add_vtables(struct daemon *d)
{
	d->watch = calloc(1, sizeof(*d->watch));
	return d->watch ? health_new(d, &d->watch->health) : -ENOMEM;
}

int watch_start(struct daemon *d)
{
	int r = sleep_new(d, &d->watch->sleep);

	if (r < 0)
		return r;
	r = machines_new(d, &d->watch->machines);
	if (r < 0)
		return r;
	health_start(d->watch->health);
	watch_kept(d);
	return 0;
}

void watch_close(struct daemon *d)
{
	if (!d->watch)
		return;
	health_free(d->watch->health);
	sleep_free(d->watch->sleep);
	machines_free(d->watch->machines);
	free(d->watch);
	d->watch = NULL;
}

void watch_kept(struct daemon *d)
{
	/* Keepers come before this, and go after it. */
	if (!d->watch)
		return;
	if (d->watch->sleep)
		sleep_update(d->watch->sleep);
	if (d->watch->machines)
		machines_update(d->watch->machines);
}
