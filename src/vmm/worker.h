/* SPDX-License-Identifier: MIT */
#ifndef VMM_WORKER_H
#define VMM_WORKER_H

#include "vmm/lock.h"
#include "vmm/thread.h"

#include <pthread.h>
#include <stdbool.h>

/*
 * Jobs that may block (resets, host I/O, reads of /proc, closing a device), one after the other, in
 * the order in which they came. The thread exists only while there is a job, so a worker without
 * one costs nothing.
 *
 * Context: any thread; worker_add() under any lock but LOCK_QUEUE.
 */
struct worker_job {
	void (*run)(struct worker_job *j); /* without a lock */
	struct worker_job *next;
	bool queued; /* not yet begun */
};

struct worker {
	char name[THREAD_NAME];
	struct lock lock;
	pthread_cond_t idle;
	struct worker_job *first, *last;
	bool busy; /* there is a thread, or one is being made */
	bool joinable; /* `thread` has ended or is about to */
	pthread_t thread;
};

/* @name: of its threads, at most 15 characters. */
void worker_init(struct worker *w, const char *name);

/*
 * Adds a job; one that is queued already stays where it is. @j stays the caller's, and may be added
 * again from its own run(). If the kernel has no thread for it, the job waits for the next
 * worker_add() or worker_wait().
 */
void worker_add(struct worker *w, struct worker_job *j);

/* Waits until no job is left, @ms at most. Return: false: a job runs on. */
bool worker_wait(struct worker *w, unsigned ms);

/* Waits for all jobs, however long they take. Context: not from a job. */
void worker_fini(struct worker *w);

#endif
