/* SPDX-License-Identifier: MIT */
#include "vmm/worker.h"

#include <errno.h>
#include <stdio.h>

void worker_init(struct worker *w, const char *name)
{
	pthread_condattr_t monotonic;

	*w = (struct worker){.lock = LOCK_INIT(LOCK_QUEUE)};
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->idle, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

/* Under the lock. */
static struct worker_job *take_job(struct worker *w)
{
	struct worker_job *j = w->first;

	if (!j)
		return NULL;
	w->first = j->next;
	j->next = NULL;
	j->queued = false;
	return j;
}

static void run_jobs(struct worker *w)
{
	struct worker_job *j;

	lock_take(&w->lock);
	while ((j = take_job(w))) {
		lock_drop(&w->lock);
		j->run(j);
		lock_take(&w->lock);
	}
	w->busy = false;
	(void)pthread_cond_broadcast(&w->idle);
	lock_drop(&w->lock);
}

static void *worker_thread(void *arg)
{
	run_jobs(arg);
	return NULL;
}

/*
 * Under the lock: a thread that is done before this one looks again must not be lost. The last one
 * is not busy, so it has had the lock for the last time. Without a thread the jobs stay queued.
 */
static void start_thread(struct worker *w)
{
	if (w->joinable)
		(void)pthread_join(w->thread, NULL); /* it has nothing left to do */
	w->joinable = thread_start(&w->thread, w->name, worker_thread, w) >= 0;
	w->busy = w->joinable;
}

void worker_add(struct worker *w, struct worker_job *j)
{
	lock_take(&w->lock);
	if (!j->queued) {
		j->queued = true;
		j->next = NULL;
		if (w->first)
			w->last->next = j;
		else
			w->first = j;
		w->last = j;
	}
	if (!w->busy)
		start_thread(w);
	lock_drop(&w->lock);
}

bool worker_wait(struct worker *w, unsigned ms)
{
	const struct timespec until = thread_deadline(ms);
	int r = 0;

	lock_take(&w->lock);
	while (w->busy && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&w->idle, &w->lock.mutex, &until);
	bool idle = !w->busy;
	bool left = idle && w->first;
	w->busy |= left;
	lock_drop(&w->lock);
	if (left)
		run_jobs(w);
	return idle;
}

void worker_fini(struct worker *w)
{
	while (!worker_wait(w, 1000))
		continue;
	if (w->joinable)
		(void)pthread_join(w->thread, NULL);
	w->joinable = false;
	(void)pthread_cond_destroy(&w->idle);
}
