/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/doorbell.h"

#include "vmm/thread.h"
#include "vmm/walls/mark.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

WALL_CALL(main | worker, poll);

static bool doorbell_has_room(int eventfd)
{
	struct pollfd p = {.fd = eventfd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

WALL_CALL(main | worker, write);
WALL_CALL(main | worker, gettid);
WALL_CALL(main | worker, timer_create);
WALL_CALL(main | worker, timer_settime);
WALL_CALL(main | worker, timer_delete);

/*
 * The kernel has no write to an eventfd that never waits. A timer interrupts this one; it repeats,
 * for the first signal may come before the write.
 */
void doorbell_ring(int eventfd)
{
	const struct itimerspec second = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = THREAD_SIGNAL};
	timer_t timer;

	if (!doorbell_has_room(eventfd))
		return;
	thread_prepare();
	event.sigev_notify_thread_id = gettid();
	/* Without a timer, nobody would end a write that waits: this ring is lost. */
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return;
	if (timer_settime(timer, 0, &second, NULL) == 0)
		(void)eventfd_write(eventfd, 1);
	(void)timer_delete(timer);
}
