/* SPDX-License-Identifier: MIT */
#include "bind/gate.h"
#include "check/rule.h"
#include "hold/stop.h"

#include <stdio.h>

/* What keeps the driver from giving the device up, with the commands in order. */
void check_unbind(struct check_case *c)
{
	struct hold_stop stops[HOLD_STOPS_MAX];
	char path[160];

	if (!c->device->driver[0] || bind_on_vfio(c->host, c->device))
		return;
	size_t count = hold_stops_read(c->host, c->device, &c->holds, stops);
	for (size_t i = 0; i < count; i++) {
		check_found(c, CHECK_WARN, c->address,
			"step %0*zu of %zu before an unbind: stop %s", count > 9 ? 2 : 1, i + 1,
			count, stops[i].what);
		check_seen(c, check_attribute_path(c, "driver", path, sizeof(path)),
			c->device->driver);
		check_fix(c, "%s", stops[i].command);
	}
}
