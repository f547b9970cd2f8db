/* SPDX-License-Identifier: MIT */
#include "vmm/walls/starter.h"

#include "base/clock.h"
#include "base/num.h"
#include "vmm/walls/filter.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>

/*
 * How it works
 *
 * A thread keeps the filters of the thread that made it, and gets its own on top. A processor may
 * need a worker, whose calls a processor must not make. So a thread of its own makes all others,
 * and descriptors for interrupts: it holds the sum of all filters, handles nothing of the guest,
 * and waits on a futex.
 *
 * Whoever asks for a thread waits until that has its filter. Without filters (tests) there is no
 * starter, and the caller makes the thread. Each change from one thread to another costs a start
 * some tenths of a millisecond: the main thread makes its descriptors itself, and who asks for a
 * thread hears from that alone.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define STACK_SIZE (1 << 21)
#else
#define STACK_SIZE (1 << 18) /* [bytes] the C library keeps so small ones for the next thread */
#endif

/*
 * A limit on threads (ulimit -u, pids.max of a cgroup) is often exceeded for a moment only. A job
 * that has no thread leaves the guest waiting, so the starter tries for a while. All others that
 * want a thread wait meanwhile, so it does that once in a while.
 */
#define RETRY_MS 10
#define RETRIES_MS 1000
#define PAUSE_MS 10000 /* after the end of such attempts */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct errand *first;
	bool runs;
} starter = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};

/* How a thread begins and ends in the C library. */
WALL_CALL(starter, clone);
WALL_CALL(starter, mmap);
WALL_CALL(starter, mprotect);
WALL_CALL(starter, munmap);
WALL_CALL(starter, set_robust_list);
WALL_CALL(starter, rseq);
WALL_CALL(starter, prctl, PR_SET_NAME);
WALL_REFUSE(starter, clone3, ENOSYS); /* its flags are in memory, where no filter looks */
WALL_CALL(main | worker | outbox | disk, rt_sigprocmask);
WALL_CALL(every, exit);
WALL_CALL(every, futex);
WALL_CALL(main | worker | outbox | disk, madvise, MADV_DONTNEED);
/* At its end a thread blocks signals, of which it gets none, and returns its stack. */
WALL_REFUSE(vcpu, rt_sigprocmask, EPERM);
WALL_REFUSE(vcpu, madvise, EPERM);

static _Thread_local bool has_parent; /* this thread is not the main one */

static void *birth_run(void *arg)
{
	struct birth *b = arg;
	void *(*run)(void *) = b->run;
	void *own = b->arg;

	has_parent = true;
	b->thread = pthread_self();
	b->is_born = true;
	(void)pthread_setname_np(b->thread, b->name);
	int r = filter_enter(b->kind);
	b->result = r;
	(void)sem_post(&b->errand.done); /* @b is gone */
	return r < 0 ? NULL : run(own);
}

/* If it succeeds, @b may be gone. */
static int thread_make(struct birth *b)
{
	pthread_attr_t attr;
	pthread_t thread;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	int r = -pthread_create(&thread, &attr, birth_run, b);
	(void)pthread_attr_destroy(&attr);
	return r;
}

/* Waits on a semaphore that nobody posts: the filter of the starter permits no call but futex. */
static void wait_ms(unsigned ms)
{
	const int64_t end = clock_ms() + ms;
	const struct timespec until = {.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000L};
	sem_t never;

	(void)sem_init(&never, 0, 0);
	while (sem_clockwait(&never, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR)
		;
	(void)sem_destroy(&never);
}

static int64_t gave_up_ms; /* 0: never */

/* An outbox holds its output and tries again itself, and a processor may wait for its lock. */
static bool is_patient(const struct birth *b)
{
	const int64_t gave_up = __atomic_load_n(&gave_up_ms, __ATOMIC_RELAXED);

	return b->kind != THREAD_OUTBOX && (!gave_up || clock_ms() - gave_up >= PAUSE_MS);
}

static int thread_make_patiently(struct birth *b)
{
	int r = thread_make(b);

	if (r != -EAGAIN || !is_patient(b))
		return r;
	for (unsigned waited = 0; r == -EAGAIN && waited < RETRIES_MS; waited += RETRY_MS) {
		wait_ms(RETRY_MS);
		r = thread_make(b);
	}
	__atomic_store_n(&gave_up_ms, r == -EAGAIN ? clock_ms() : 0, __ATOMIC_RELAXED);
	return r;
}

static void birth_give(struct errand *e)
{
	struct birth *b = container_of(e, struct birth, errand);

	if (b->ended)
		(void)pthread_join(*b->ended, NULL);
	int r = thread_make_patiently(b);
	if (r == 0)
		return; /* @b may be gone */
	b->result = r;
	(void)sem_post(&e->done);
}

/* Under the lock. */
static struct errand *errand_take(void)
{
	struct errand *e = starter.first;

	starter.first = e->next;
	return e;
}

static void *starter_thread(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&starter.lock);
	for (;;) {
		while (!starter.first)
			(void)pthread_cond_wait(&starter.asked, &starter.lock);
		struct errand *e = errand_take();
		(void)pthread_mutex_unlock(&starter.lock);
		e->run(e); /* @e is gone */
		(void)pthread_mutex_lock(&starter.lock);
	}
	return NULL;
}

/* Return: false: there is no starter. */
static bool errand_ask(struct errand *e)
{
	(void)pthread_mutex_lock(&starter.lock);
	bool runs = starter.runs;
	if (runs) {
		struct errand **end = &starter.first;
		while (*end)
			end = &(*end)->next;
		*end = e;
	}
	(void)pthread_mutex_unlock(&starter.lock);
	/* Not under the lock, which the starter needs as it wakes up. */
	if (runs)
		(void)pthread_cond_signal(&starter.asked);
	return runs;
}

static void semaphore_wait(sem_t *s)
{
	while (sem_wait(s) < 0 && errno == EINTR)
		;
}

static void errand_run(struct errand *e)
{
	e->next = NULL;
	(void)sem_init(&e->done, 0, 0);
	if (!errand_ask(e))
		e->run(e);
	semaphore_wait(&e->done);
}

int starter_make(struct birth *b)
{
	b->errand.run = birth_give;
	b->is_born = false;
	errand_run(&b->errand);
	if (b->result < 0 && b->is_born)
		(void)pthread_join(b->thread, NULL);
	return b->result;
}

struct descriptor {
	struct errand errand;
	int fd;
};

WALL_CALL(main | starter, eventfd2);

static int descriptor_make(void)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static void descriptor_give(struct errand *e)
{
	struct descriptor *d = container_of(e, struct descriptor, errand);

	d->fd = descriptor_make();
	(void)sem_post(&e->done);
}

int starter_eventfd(void)
{
	struct descriptor d = {.errand.run = descriptor_give};

	if (!has_parent)
		return descriptor_make();
	errand_run(&d.errand);
	return d.fd;
}

/*
 * Signals to the process are the main thread's, which may not have blocked them yet. These are not:
 * what a thread's own fault raises, and what gets it out of a system call.
 */
static void signals_left(sigset_t *ret)
{
	static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};

	(void)sigfillset(ret);
	(void)sigdelset(ret, THREAD_SIGNAL);
	for (size_t i = 0; i < COUNT(own); i++)
		(void)sigdelset(ret, own[i]);
}

int starter_start(void)
{
	struct birth b = {.kind = THREAD_STARTER, .name = "starter", .run = starter_thread};
	sigset_t left, before;

	signals_left(&left);
	(void)pthread_sigmask(SIG_BLOCK, &left, &before);
	int r = starter_make(&b);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return r;
	(void)pthread_detach(b.thread);
	starter.runs = true;
	return 0;
}
