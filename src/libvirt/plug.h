/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_PLUG_H
#define LIBVIRT_PLUG_H

/*
 * Devices to and from a domain that may run. libvirt calls no hook then, so usher takes the groups
 * itself, with the domain as their owner: the hook returns them at its end as well.
 */

#include "bind/bind.h"
#include "libvirt/connection.h"

struct libvirt_plug {
	const struct bind_env *env;
	const char *run; /* LIBVIRT_RUN_DIR */
	struct libvirt_guest *guest;
	const struct libvirt_state *state; /* of the guest, before */
	const struct bind_request *request; /* targets and allowed checks; no owner */
	int timeout_ms; /* how long a guest may take to let a device go */
};

/*
 * Takes the groups of the targets and adds all their members to the running domain; all or nothing.
 * @ret gets the plan, bind_plan_fini(). Return: as bind_take(); -EIO if libvirt refuses.
 */
int libvirt_plug_live(const struct libvirt_plug *p, struct bind_plan *ret, struct err *e);

/* As that, to the configuration. @plan: of bind_plan(). Return: the number of members, -EIO. */
int libvirt_plug_config(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e);

/*
 * Removes the members of the groups from the running domain, waits until it has let them go, and
 * returns them to their drivers. Return: 0 if it had none; else a number; -ETIMEDOUT, or -EINTR for
 * a signal that the caller has blocked, with what the guest still has; -EIO; as bind_release().
 */
int libvirt_unplug_live(const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e);
/* Return: how many the configuration had, -EIO. */
int libvirt_unplug_config(
	const struct libvirt_plug *p, const struct bind_plan *plan, struct err *e);

#endif
