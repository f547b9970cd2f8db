/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_NEWS_H
#define ENGINE_NEWS_H

#include "bind/bind.h"
#include "engine/wipe.h"

#include <stdint.h>
#include <sys/types.h>

struct err;

/* What a keeper tells its clients. */
enum keeper_event {
	KEEPER_PLANNED, /* @plan made under the lock; refusals say why nothing was taken */
	KEEPER_STARTED, /* @pid runs the guest */
	KEEPER_STOPPING, /* a signal asked for the end: number in @status */
	KEEPER_REFUSED, /* usher-vmm made a system call that it may not, and ended by it: @error */
	KEEPER_WARNED, /* it runs without something that it should have, such as a device: @error */
	KEEPER_ENDED, /* the guest is gone: @status, and @error if the keeper knows why */
	KEEPER_WIPED, /* a device was reset, or was not: @wiped */
	KEEPER_GIVEN, /* @group went back: @report */
	KEEPER_STUCK, /* @group could not be given back: @error; the journal keeps it */
	KEEPER_FAILED, /* the keeper itself: @error */
	KEEPER_LOST, /* @status pieces of news are lost, since nobody read them in time */
};

struct keeper_news {
	enum keeper_event event;
	const struct bind_plan *plan;
	const struct bind_report *report;
	const struct wiped *wiped;
	const struct err *error;
	pid_t pid;
	int group;
	int status;
	int64_t us; /* how long the step took that has just ended: taking, starting, giving */
};

#endif
