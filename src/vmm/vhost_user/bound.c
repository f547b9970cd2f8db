/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/bound.h"

#include "base/fd.h"
#include "vmm/thread.h"
#include "vmm/walls/mark.h"

#include <signal.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

WALL_CALL(main | worker, gettid);
WALL_CALL(main | worker, timer_create);
WALL_CALL(main | worker, timer_settime);
WALL_CALL(main | worker, timer_delete);

/* The timer repeats, for the first signal may come before the call that waits. */
bool wait_bound_begin(struct wait_bound *b)
{
	const struct itimerspec second = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = THREAD_SIGNAL};

	thread_prepare();
	event.sigev_notify_thread_id = gettid();
	b->counts = timer_create(CLOCK_MONOTONIC, &event, &b->timer) == 0;
	if (b->counts && timer_settime(b->timer, 0, &second, NULL) < 0)
		wait_bound_end(b);
	return b->counts;
}

void wait_bound_end(struct wait_bound *b)
{
	if (b->counts)
		(void)timer_delete(b->timer);
	b->counts = false;
}

WALL_CALL(main | worker, close);

void wait_bound_close(int *fd)
{
	struct wait_bound bound;

	if (*fd < 0)
		return;
	(void)wait_bound_begin(&bound);
	fd_close(fd);
	wait_bound_end(&bound);
}
