/* SPDX-License-Identifier: MIT */
#include "vmm/loop.h"

#include "base/err.h"
#include "base/fd.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

WALL_CALL(main, epoll_create1);

int loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop)LOOP_NONE;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return err_set(e, -errno, "create the event loop");
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0)
		return err_set(e, -errno, "create the event loop's wake-up");
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) < 0)
		return err_set(e, -errno, "watch the event loop's wake-up");
	return 0;
}

void loop_fini(struct loop *l)
{
	fd_close(&l->epoll_fd);
	fd_close(&l->wake_fd);
}

WALL_CALL(every, epoll_ctl);

int loop_add(struct loop *l, struct loop_source *s, struct err *e)
{
	struct epoll_event ev = {.events = s->events ? s->events : EPOLLIN, .data.ptr = s};

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return err_set(e, -errno, "watch descriptor %d", s->fd);
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

WALL_CALL(main, epoll_wait);
WALL_CALL(main, poll);
WALL_CALL(main, read);

/*
 * One event at a time: a source may remove another one, whose event must not be served then. The
 * event is taken under the lock, so whoever takes the lock after loop_remove() knows that no event
 * of the source is on its way.
 */
static int serve_event(struct loop *l)
{
	struct epoll_event ev;

	lock_take(&l->lock);
	int count = epoll_wait(l->epoll_fd, &ev, 1, 0);
	int r = count < 0 && errno != EINTR ? -errno : 0;
	struct loop_source *s = count > 0 ? ev.data.ptr : NULL;
	if (s)
		s->ready(s, ev.events);
	lock_drop(&l->lock);
	return r;
}

int loop_run(struct loop *l, struct err *e)
{
	struct pollfd any = {.fd = l->epoll_fd, .events = POLLIN};

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		int count = poll(&any, 1, -1);
		int r = count < 0 && errno != EINTR ? -errno : count > 0 ? serve_event(l) : 0;
		if (r < 0)
			return err_set(e, r, "wait for events");
	}
	return 0;
}

void loop_settle(struct loop *l)
{
	lock_take(&l->lock);
	lock_drop(&l->lock);
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;

	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop wakes anyway */
}

void loop_restart(struct loop *l)
{
	eventfd_t count;

	(void)eventfd_read(l->wake_fd, &count);
	__atomic_store_n(&l->stop, false, __ATOMIC_RELEASE);
}
