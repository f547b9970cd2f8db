/* SPDX-License-Identifier: MIT */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

/* The main thread's events: console input, the keeper's pidfd, signals, devices' eventfds. */
struct loop_source {
	int fd;
	/* Context: main thread, under the VM's lock. @events: EPOLL… */
	void (*ready)(struct loop_source *s, uint32_t events);
	uint32_t events; /* what to wait for; 0 means EPOLLIN */
};

struct loop {
	int epoll_fd;
	int wake_fd; /* eventfd: ends the loop from any thread */
	bool stop;
};

#define LOOP_NONE                             \
	{                                     \
		.epoll_fd = -1, .wake_fd = -1 \
	}

int loop_init(struct loop *l, struct err *e);
void loop_fini(struct loop *l); /* LOOP_NONE is fine */

/* Serves events, each under @lock, until loop_stop(). Return: 0, -errno. */
int loop_run(struct loop *l, pthread_mutex_t *lock, struct err *e);

/* Ends loop_run(), now or when it starts. Context: any thread, any lock. */
void loop_stop(struct loop *l);

/* loop_run() may run again. Context: main thread, after it has returned. */
void loop_restart(struct loop *l);

/* @s stays the caller's. Context: main thread. */
int loop_add(struct loop *l, struct loop_source *s, struct err *e);
void loop_remove(struct loop *l, struct loop_source *s);

#endif
