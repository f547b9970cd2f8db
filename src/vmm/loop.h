/* SPDX-License-Identifier: MIT */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* The main thread's events: console input, the keeper's pidfd, signals, devices' eventfds. */
struct loop_source {
	int fd;
	/* Context: main thread, under the VM's lock. @events: EPOLL… */
	void (*ready)(struct loop_source *s, uint32_t events);
};

struct loop {
	int epoll_fd;
	int wake_fd; /* eventfd: ends the loop from any thread */
	bool stop;
};

int loop_add(struct loop *l, struct loop_source *s, struct err *e); /* @s stays the caller's */
void loop_remove(struct loop *l, struct loop_source *s);

#endif
