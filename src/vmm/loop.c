/* SPDX-License-Identifier: MIT */
#include "vmm/loop.h"

#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

int loop_run(struct loop *l, struct err *e)
{
	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		struct epoll_event ev;
		/*
		 * One at a time: a source may remove another one, whose event must not be served
		 * then.
		 */
		int count = epoll_wait(l->epoll_fd, &ev, 1, -1);
		if (count < 0 && errno != EINTR)
			return err_set(e, -errno, "wait for events");
		if (count <= 0 || !ev.data.ptr)
			continue;
		struct loop_source *s = ev.data.ptr;
		s->ready(s, ev.events);
	}
	return 0;
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
