/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PLUG_PLUG_JOB_H
#define ENGINE_PLUG_PLUG_JOB_H

#include "engine/plug/plug.h"

/*
 * Does what @w asks for, and waits as long as it takes. @mounts: of the guest's program, for
 * engine/nodes; -1: it finds the host's nodes. @ret->why says what failed.
 */
void plug_job_run(
	const struct plug_place *p, int mounts, const struct plug_wish *w, struct plug_result *ret);

#endif
