/* SPDX-License-Identifier: MIT */
#ifndef VMM_WORKER_H
#define VMM_WORKER_H

#include "vmm/lock.h"
#include "vmm/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Jobs that may block (resets, host I/O, reads of /proc, closing a device), one after the other, in
 * the order in which they came. The thread ends WORKER_LINGER_MS after the last job: a guest that
 * reads configuration space register by register does not pay for a thread each time, and a worker
 * without jobs costs nothing.
 *
 * Context: any thread; worker_add() under any lock but LOCK_QUEUE.
 */
#define WORKER_LINGER_MS 100

struct worker_job {
	void (*run)(struct worker_job *j); /* without a lock */
	struct worker_job *next;
	bool queued; /* not yet begun */
};

struct worker {
	char name[THREAD_NAME];
	struct lock lock;
	pthread_cond_t more; /* jobs, or the worker is to end */
	pthread_cond_t progress; /* a job is done */
	struct worker_job *first, *last;
	uint64_t added; /* jobs so far; of these are done: */
	uint64_t done;
	uint64_t overdue; /* worker_sync() has waited for this many in vain */
	unsigned waiters; /* threads in worker_wait() and worker_sync() */
	bool in_caller; /* no thread: worker_wait() and worker_sync() run the jobs; for fuzzers */
	bool reported; /* that the kernel starts no thread */
	bool alive; /* there is a thread, and it has the queue */
	bool ending; /* it is not to linger */
	bool joinable; /* `thread` has to be joined */
	pthread_t thread;
};

/* @name: of its threads, at most 15 characters. */
void worker_init(struct worker *w, const char *name);

/*
 * Adds a job; one that is queued already stays where it is. @j stays the caller's, and may be added
 * again from its own run(). If the kernel starts no thread for it, the log says so once, and the
 * job waits for the next call of any function below.
 */
void worker_add(struct worker *w, struct worker_job *j);

/*
 * Waits until no job is left, about @ms at most, and meanwhile tries to start a thread if there is
 * none. It runs no job itself. Return: false: a job is left.
 */
bool worker_wait(struct worker *w, unsigned ms);

/*
 * The same for the jobs that were added before the call. It does not wait while jobs are left that
 * an earlier call has waited for in vain. It runs no job itself: without a thread it returns at
 * once. Context: not from a job.
 */
bool worker_sync(struct worker *w, unsigned ms);

/* Whether no job is left. If there is no thread, tries to start one. */
bool worker_is_idle(struct worker *w);

/*
 * Waits for all jobs, however long they take. If the kernel starts no thread for them within a
 * second, they are dropped: they do not run, and their owner may free them. Context: not from a
 * job.
 */
void worker_fini(struct worker *w);

#endif
