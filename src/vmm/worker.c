/* SPDX-License-Identifier: MIT */
#include "vmm/worker.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RETRY_MS 10 /* between two attempts of worker_wait() to start a thread */

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
 * Under the lock: that of the log's outbox comes after all others. The guest sees only a device
 * that does not answer, so the log names the limits to raise.
 */
static void report_shortage(struct worker *w, int r)
{
	if (w->reported)
		return;
	w->reported = true;
	log_warn(w->name,
		"the kernel starts no thread for its work: %s; its requests wait. Raise the "
		"limit of processes (ulimit -u) or pids.max of usher's cgroup",
		strerror(-r));
}

/*
 * Under the lock: a thread that ends must not miss a job. One that is not alive has had the lock
 * for the last time. Without a thread the jobs stay queued.
 */
static void start_thread(struct worker *w)
{
	const int r =
		thread_renew(&w->thread, w->joinable, THREAD_WORKER, w->name, worker_thread, w);

	w->joinable = w->alive = r >= 0;
	if (r < 0)
		report_shortage(w, r);
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

/*
 * Under the lock. Only for a worker that has no threads by design: the filter of the main thread
 * does not permit the system calls of the jobs.
 */
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

/* Under the lock. Return: whether the queued jobs have a thread. */
static bool have_thread(struct worker *w)
{
	if (!w->alive && w->first)
		start_thread(w);
	return w->alive || !w->first;
}

/*
 * Under the lock, which it drops while it waits. At the guest's end the limit still counts
 * processors for a moment after they were joined, so one attempt is not enough.
 * Return: how much of @ms is left.
 */
static unsigned await_thread(struct worker *w, unsigned ms)
{
	while (!have_thread(w) && ms) {
		const unsigned step = ms < RETRY_MS ? ms : RETRY_MS;
		const struct timespec until = thread_deadline(step);
		(void)pthread_cond_timedwait(&w->progress, &w->lock.mutex, &until);
		ms -= step;
	}
	return ms;
}

bool worker_wait(struct worker *w, unsigned ms)
{
	lock_take(&w->lock);
	if (!w->alive && w->first && w->in_caller)
		run_in_caller(w);
	ms = await_thread(w, ms);
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
	/* Without a thread it has not waited. */
	if (!done && w->alive && w->done >= w->overdue)
		w->overdue = target;
	lock_drop(&w->lock);
	return done;
}

bool worker_is_idle(struct worker *w)
{
	lock_take(&w->lock);
	if (!w->in_caller)
		(void)have_thread(w);
	bool idle = w->done == w->added;
	lock_drop(&w->lock);
	return idle;
}

static bool has_thread(struct worker *w)
{
	lock_take(&w->lock);
	bool alive = w->alive;
	lock_drop(&w->lock);
	return alive;
}

void worker_fini(struct worker *w)
{
	while (!worker_wait(w, 1000) && has_thread(w))
		continue;
	lock_take(&w->lock);
	/* There is no thread for these. The guest is over, and was told of none that it is done. */
	while (!w->alive && take_job(w))
		w->done++;
	w->ending = true;
	(void)pthread_cond_signal(&w->more);
	lock_drop(&w->lock);
	if (w->joinable)
		(void)pthread_join(w->thread, NULL);
	w->joinable = false;
	(void)pthread_cond_destroy(&w->more);
	(void)pthread_cond_destroy(&w->progress);
}
