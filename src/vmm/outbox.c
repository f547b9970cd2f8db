/* SPDX-License-Identifier: MIT */
#include "vmm/outbox.h"

#include "base/num.h"
#include "vmm/thread.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works
 *
 * The buffer is a ring. Only the thread takes bytes out, and it does so after they are written, so
 * write(2) reads the ring itself, without the lock: nobody overwrites what is still held. An empty
 * ring begins at its start again, so a guest that says little touches few of its pages.
 *
 * O_NONBLOCK would be a property of the open file, which other processes share. So the descriptor
 * stays as it is, the write blocks, and thread_interrupt() gets the thread out of it.
 */
#define OUTBOX_PIECE 1024 /* [bytes] a write: a slow line shows that it moves */
#define OUTBOX_JOIN_MS 200
#define OUTBOX_RETRY_MS 10 /* between two attempts of outbox_drain() to start the thread */

int outbox_init(struct outbox *o, const char *name, int fd)
{
	pthread_condattr_t monotonic;

	*o = (struct outbox){.name = name, .fd = fd};
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->work, NULL);
	(void)pthread_cond_init(&o->progress, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	o->bytes = malloc(OUTBOX_SIZE);
	return o->bytes ? 0 : -ENOMEM;
}

/* Whole lines, if there is one: other processes write lines to the same terminal or pipe. */
static size_t piece_len(const struct outbox *o)
{
	size_t len = min_u64(min_u64(o->held, OUTBOX_SIZE - o->first), OUTBOX_PIECE);
	const char *from = o->bytes + o->first, *end = memrchr(from, '\n', len);

	return end ? (size_t)(end - from) + 1 : len;
}

WALL_CALL(outbox, clock_nanosleep);

/* Under the lock, which it drops while it writes. */
static void write_piece(struct outbox *o)
{
	size_t len = piece_len(o);
	const char *from = o->bytes + o->first;

	(void)pthread_mutex_unlock(&o->lock);
	ssize_t n = write(o->fd, from, len);
	int error = n < 0 ? errno : 0;
	/* Somebody else has made this file non-blocking. */
	if (error == EAGAIN)
		(void)usleep(1000);
	(void)pthread_mutex_lock(&o->lock);
	if (error && error != EINTR && error != EAGAIN)
		o->closed = true;
	size_t done = o->closed ? o->held : (size_t)(n > 0 ? n : 0);
	o->held -= done;
	o->first = o->held ? (o->first + done) % OUTBOX_SIZE : 0;
	o->written += o->closed ? 0 : done;
	o->due &= o->held > 0;
	if (done)
		(void)pthread_cond_broadcast(&o->progress);
}

/* Under the lock, which it drops for the call. */
static void tell_ready(struct outbox *o)
{
	if (!o->starved || o->held > OUTBOX_SIZE / 2)
		return;
	o->starved = false;
	(void)pthread_mutex_unlock(&o->lock);
	o->ready(o);
	(void)pthread_mutex_lock(&o->lock);
}

static void *outbox_thread(void *arg)
{
	struct outbox *o = arg;

	(void)pthread_mutex_lock(&o->lock);
	while (!o->ending) {
		if (o->due && o->held)
			write_piece(o);
		else
			(void)pthread_cond_wait(&o->work, &o->lock);
		tell_ready(o);
	}
	(void)pthread_mutex_unlock(&o->lock);
	return NULL;
}

/* Under the lock. If the kernel starts no thread, the next call of it tries again. */
static void outbox_wake(struct outbox *o)
{
	if (o->started)
		(void)pthread_cond_signal(&o->work);
	else
		o->started =
			thread_start(&o->thread, THREAD_OUTBOX, o->name, outbox_thread, o) >= 0;
	o->due = o->started;
}

size_t outbox_put(struct outbox *o, const void *data, size_t len)
{
	(void)pthread_mutex_lock(&o->lock);
	size_t room = OUTBOX_SIZE - o->held;
	if (len > room && !o->closed) {
		o->dropped += len;
	} else if (!o->closed) {
		size_t at = (o->first + o->held) % OUTBOX_SIZE;
		size_t straight = min_u64(len, OUTBOX_SIZE - at);
		memcpy(o->bytes + at, data, straight);
		memcpy(o->bytes, (const char *)data + straight, len - straight);
		o->held += len;
		room -= len;
	}
	if (o->held >= OUTBOX_SIZE / 2 && !o->due)
		outbox_wake(o);
	/* Without a thread nobody makes room. The guest does not wait for it. */
	if (o->held >= OUTBOX_SIZE / 2 && !o->started)
		room = OUTBOX_SIZE;
	o->starved |= room < o->low;
	(void)pthread_mutex_unlock(&o->lock);
	return room;
}

bool outbox_offer(struct outbox *o, const void *data, size_t len)
{
	(void)pthread_mutex_lock(&o->lock);
	bool fits = o->closed || len <= OUTBOX_SIZE - o->held;
	if (!fits && !o->due)
		outbox_wake(o);
	/* Without a thread `ready` would never come: outbox_put() drops the data. */
	fits |= !o->started;
	o->starved |= !fits;
	(void)pthread_mutex_unlock(&o->lock);
	if (fits)
		(void)outbox_put(o, data, len);
	return fits;
}

void outbox_flush(struct outbox *o)
{
	(void)pthread_mutex_lock(&o->lock);
	if (o->held && !o->due)
		outbox_wake(o);
	(void)pthread_mutex_unlock(&o->lock);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Under the lock, which it drops while it waits. @ms at most. */
static void await_thread(struct outbox *o, unsigned ms)
{
	for (unsigned waited = 0; o->held && !o->closed && !o->started && waited < ms;
		waited += OUTBOX_RETRY_MS) {
		const struct timespec until = thread_deadline(OUTBOX_RETRY_MS);
		(void)pthread_cond_timedwait(&o->progress, &o->lock, &until);
		outbox_wake(o);
	}
}

bool outbox_drain(struct outbox *o, unsigned idle_ms, unsigned total_ms)
{
	const struct timespec end = thread_deadline(total_ms);

	outbox_flush(o);
	(void)pthread_mutex_lock(&o->lock);
	await_thread(o, idle_ms);
	for (int r = 0; o->started && o->held && !o->closed && r == 0;) {
		struct timespec idle = thread_deadline(idle_ms);
		r = pthread_cond_timedwait(
			&o->progress, &o->lock, is_before(&idle, &end) ? &idle : &end);
	}
	bool empty = !o->held;
	(void)pthread_mutex_unlock(&o->lock);
	return empty;
}

void outbox_fini(struct outbox *o)
{
	if (!o->bytes || o->ending)
		return;
	(void)pthread_mutex_lock(&o->lock);
	o->ending = o->closed = true;
	o->dropped += o->started ? 0 : o->held;
	(void)pthread_cond_signal(&o->work);
	bool started = o->started;
	(void)pthread_mutex_unlock(&o->lock);
	if (started && !thread_join(o->thread, OUTBOX_JOIN_MS)) {
		(void)pthread_detach(o->thread);
		return;
	}
	(void)pthread_cond_destroy(&o->work);
	(void)pthread_cond_destroy(&o->progress);
	(void)pthread_mutex_destroy(&o->lock);
	free(o->bytes);
	o->bytes = NULL;
}
