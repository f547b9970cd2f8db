/* SPDX-License-Identifier: MIT */
#ifndef VMM_WALLS_STARTER_H
#define VMM_WALLS_STARTER_H

#include "vmm/thread.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

/* What the starter does for another thread, which waits. */
struct errand {
	void (*run)(struct errand *e); /* sees to it that @done is posted, after which @e is gone */
	sem_t done;
	struct errand *next;
};

/* A thread to be. It stays the caller's, and is done with when starter_make() returns. */
struct birth {
	struct errand errand;
	enum thread_kind kind;
	const char *name;
	void *(*run)(void *arg);
	void *arg;
	const pthread_t *ended; /* a thread to join first; NULL: none */
	pthread_t thread; /* of a birth that succeeded */
	bool is_born;
	int result;
};

/* Has a thread make all others from now on. Context: one thread. Return: 0, -errno. */
int starter_start(void);

/* Makes an eventfd that does not block. Return: descriptor, -EMFILE, -errno. */
int starter_eventfd(void);

/*
 * Makes a thread. If the kernel has none, it tries again for a second, unless it did so lately.
 * Return: 0, -EAGAIN, -errno of its filter.
 */
int starter_make(struct birth *b);

#endif
