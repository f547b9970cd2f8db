/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_BOUND_H
#define VMM_VHOST_USER_BOUND_H

#include <stdbool.h>
#include <time.h>

/*
 * Has system calls of this thread wait for a second at most that have no timeout of their own, and
 * that a back end can make wait: a write to an eventfd that it fills; the last close of a socket
 * that it has sent, which lasts as long as SO_LINGER says. The kernel closes what nobody receives
 * in the thread that takes the message, or closes the connection. A signal ends such a wait.
 * Context: a thread that may wait.
 */
struct wait_bound {
	timer_t timer;
	bool counts;
};

/* Return: false: the kernel has no timer left, and nothing is bounded. */
bool wait_bound_begin(struct wait_bound *b);
void wait_bound_end(struct wait_bound *b);

/* Closes *@fd within such a bound: a back end has sent it, or may have sent others over it. */
void wait_bound_close(int *fd);

#endif
