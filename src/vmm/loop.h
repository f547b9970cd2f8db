/* SPDX-License-Identifier: MIT */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include "vmm/lock.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/* The main thread's events: console input, the keeper's pidfd, signals, devices' eventfds. */
struct loop_source {
	int fd;
	/* Context: main thread, without a lock but the loop's. @events: EPOLL… */
	void (*ready)(struct loop_source *s, uint32_t events);
	uint32_t events; /* what to wait for; 0 means EPOLLIN */
};

struct loop {
	int epoll_fd;
	int wake_fd; /* eventfd: ends the loop from any thread */
	bool stop;
	struct lock lock; /* while an event is served */
};

#define LOOP_NONE                                                           \
	{                                                                   \
		.epoll_fd = -1, .wake_fd = -1, .lock = LOCK_INIT(LOCK_LOOP) \
	}

int loop_init(struct loop *l, struct err *e);
void loop_fini(struct loop *l); /* LOOP_NONE is fine */

/* Serves events until loop_stop(). Return: 0, -errno. */
int loop_run(struct loop *l, struct err *e);

/* Ends loop_run(), now or when it starts. Context: any thread, any lock. */
void loop_stop(struct loop *l);

/* loop_run() may run again. Context: main thread, after it has returned. */
void loop_restart(struct loop *l);

/* @s stays the caller's. Context: any thread. */
int loop_add(struct loop *l, struct loop_source *s, struct err *e);
/* An event that the main thread has just taken may still be served. Context: any thread. */
void loop_remove(struct loop *l, struct loop_source *s);

/*
 * After loop_remove(): on return no event of the source is served any more, so it can be freed.
 * Context: without a lock; not from a source's ready().
 */
void loop_settle(struct loop *l);

#endif
