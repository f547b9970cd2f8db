/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KEEPER_H
#define ENGINE_KEEPER_H

#include "bind/bind.h"
#include "engine/engine.h"
#include "engine/news.h"

#include <stdbool.h>

struct err;

/*
 * The keeper owns the life of the lent devices around one run of a guest or of a program: it takes
 * them, has the engine start it, waits for its end, and gives back what it took. If the keeper
 * itself is killed, the guest is stopped, and the journal serves bind_restore().
 */
struct keeper {
	struct bind_env env;
	const struct engine *engine;
	const struct guest_spec *spec;
	const char *const *allow;
	size_t allow_count;
	enum bind_return how;
	bool outlives; /* its client's end does not stop the guest */
	/*
	 * It runs in the background: one more client is at @watch_fd, and what comes by the pipe
	 * @log_fd goes into the log. Both are taken over.
	 */
	bool detached;
	int watch_fd;
	int log_fd;
	/* Called in a process of its own, the client, which may write slowly; NULL: no client. */
	void (*tell)(void *arg, const struct keeper_news *n);
	void *arg;
};

struct keeper_end {
	int status; /* of the guest or the program, when keeper_run() returns 0 */
	bool refused; /* the plan refuses; its problems were told */
};

/* The request for bind_take(). @targets: room for SPEC_DEVICES_MAX; the request refers to it. */
int keeper_request(const struct keeper *k, struct bind_target *targets, struct bind_request *ret,
	struct err *e);

/*
 * Collects everything that prevents the run: the plan of its groups, and whether the guest fits on
 * the host. keeper_run() refuses by the same. @ret: bind_plan_fini(). Return: 0, -ENOMEM, -errno.
 */
int keeper_plan(
	const struct keeper *k, const struct bind_request *q, struct bind_plan *ret, struct err *e);

/*
 * Makes this process the keeper, and a child of it the client that tells of it; runs the guest to
 * its end. The client prints each failure. Others connect to the socket in /run/usher/vm/NAME
 * (wire/control.h).
 * Return: 0 with everything given back; -EPERM with @ret->refused when the plan refuses; -EUCLEAN
 * when a device could not be given back; -errno otherwise, with everything given back that could
 * be.
 */
int keeper_run(const struct keeper *k, struct keeper_end *ret);

#endif
