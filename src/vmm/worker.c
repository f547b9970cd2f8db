/* SPDX-License-Identifier: MIT */
#include "vmm/worker.h"

#include <errno.h>
#include <stdio.h>

static void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t monotonic;

	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(c, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

void worker_init(struct worker *w, const char *name)
{
	*w = (struct worker){.lock = LOCK_INIT(LOCK_QUEUE)};
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	cond_init(&w->more);
	cond_init(&w->progress);
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

/* Under the lock, which it drops for each job. @j may be gone when its run() returns. */
static void run_jobs(struct worker *w)
{
	struct worker_job *j;

	while ((j = take_job(w))) {
		lock_drop(&w->lock);
		j->run(j);
		lock_take(&w->lock);
		w->done++;
		if (w->waiters)
			(void)pthread_cond_broadcast(&w->progress);
	}
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	int r = 0;

	lock_take(&w->lock);
	while (w->first || (!w->ending && r != ETIMEDOUT)) {
		run_jobs(w);
		const struct timespec until = thread_deadline(WORKER_LINGER_MS);
		r = w->ending ? 0 : pthread_cond_timedwait(&w->more, &w->lock.mutex, &until);
	}
	w->alive = false;
	lock_drop(&w->lock);
	return NULL;
}

/*
 * Under the lock: a thread that ends must not miss a job. One that is not alive has had the lock
 * for the last time. Without a thread the jobs stay queued.
 */
static void start_thread(struct worker *w)
{
	w->joinable = thread_renew(&w->thread, w->joinable, THREAD_WORKER, w->name, worker_thread,
			      w) >= 0;
	w->alive = w->joinable;
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
		w->added++;
	}
	if (w->alive)
		(void)pthread_cond_signal(&w->more);
	else if (!w->in_caller)
		start_thread(w);
	lock_drop(&w->lock);
}

/* Under the lock. There is no thread, so the caller runs what is queued. */
static void run_in_caller(struct worker *w)
{
	w->alive = true;
	run_jobs(w);
	w->alive = false;
}

/* Under the lock. Return: whether *@target jobs are done. */
static bool wait_done(struct worker *w, const uint64_t *target, unsigned ms)
{
	const struct timespec until = thread_deadline(ms);
	int r = 0;

	w->waiters++;
	while (w->alive && w->done < *target && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&w->progress, &w->lock.mutex, &until);
	w->waiters--;
	return w->done >= *target;
}

bool worker_wait(struct worker *w, unsigned ms)
{
	lock_take(&w->lock);
	if (!w->alive && w->first)
		run_in_caller(w);
	bool idle = wait_done(w, &w->added, ms);
	lock_drop(&w->lock);
	return idle;
}

bool worker_sync(struct worker *w, unsigned ms)
{
	lock_take(&w->lock);
	const uint64_t target = w->added;
	if (!w->alive && w->first && w->in_caller)
		run_in_caller(w);
	else if (!w->alive && w->first)
		start_thread(w);
	bool done = wait_done(w, &target, w->done < w->overdue ? 0 : ms);
	if (!done && w->done >= w->overdue)
		w->overdue = target;
	lock_drop(&w->lock);
	return done;
}

bool worker_is_idle(struct worker *w)
{
	lock_take(&w->lock);
	bool idle = w->done == w->added;
	lock_drop(&w->lock);
	return idle;
}

void worker_fini(struct worker *w)
{
	while (!worker_wait(w, 1000))
		continue;
	lock_take(&w->lock);
	w->ending = true;
	(void)pthread_cond_signal(&w->more);
	lock_drop(&w->lock);
	if (w->joinable)
		(void)pthread_join(w->thread, NULL);
	w->joinable = false;
	(void)pthread_cond_destroy(&w->more);
	(void)pthread_cond_destroy(&w->progress);
}
