/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KEEPER_H
#define ENGINE_KEEPER_H

#include "bind/bind.h"
#include "engine/engine.h"

struct err;

/*
 * The keeper owns the life of the lent devices around one run of a guest: it takes them, has the
 * engine start the guest, waits for its end, whatever that is, and gives back what it took. If
 * the keeper itself is killed the guest is stopped, and the journal serves bind_restore().
 */
enum keeper_event {
	KEEPER_PLANNED, /* @plan made under the lock; refusals say why nothing was taken */
	KEEPER_STARTED, /* @pid runs the guest */
	KEEPER_STOPPING, /* a signal asked for the end: number in @status */
	KEEPER_ENDED, /* the guest is gone: @status */
	KEEPER_WIPED, /* what became of the reset of a device: @wiped */
	KEEPER_GIVEN, /* a group went back: @report */
	KEEPER_STUCK, /* a group could not be given back: @error; the journal keeps it */
};

struct keeper_news {
	enum keeper_event event;
	const struct bind_plan *plan;
	const struct bind_report *report;
	const struct wiped *wiped;
	const struct err *error;
	pid_t pid;
	int status;
	int64_t us; /* how long the step took that has just ended: taking, starting, giving */
};

struct keeper {
	struct bind_env env;
	const struct engine *engine;
	const struct guest_spec *spec;
	const char *const *allow;
	size_t allow_count;
	enum bind_return how;
	void (*tell)(void *arg, const struct keeper_news *n); /* may be NULL */
	void *arg;
};

/* What bind_take() will be asked for. @targets: room for SPEC_DEVICES_MAX, the request uses it. */
int keeper_request(const struct keeper *k, struct bind_target *targets, struct bind_request *ret,
	struct err *e);

/*
 * All that stands against the run: the plan of its groups, and whether the guest fits on the host.
 * A keeper_run() refuses by the same. @ret: bind_plan_fini(). Return: 0, -ENOMEM, -errno.
 */
int keeper_plan(
	const struct keeper *k, const struct bind_request *q, struct bind_plan *ret, struct err *e);

/*
 * Runs the guest to its end.
 * Return: 0 with the engine's exit status in *@ret_status and everything given back; -EPERM when
 * the plan refuses; -EUCLEAN when a device could not be given back (told by KEEPER_STUCK);
 * -errno otherwise, with everything given back that could be.
 */
int keeper_run(const struct keeper *k, int *ret_status, struct err *e);

#endif
