/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include "vmm/walls/mark.h"
#include "vmm/walls/starter.h"

#include <signal.h>
#include <unistd.h>

#define JOIN_STEP_US 500 /* between two interruptions */

_Thread_local bool thread_is_vcpu;

static bool prepared;

static void on_interrupt(int sig)
{
	(void)sig;
}

void thread_prepare(void)
{
	/* Without SA_RESTART: the system call that it meets ends. */
	const struct sigaction action = {.sa_handler = on_interrupt};

	if (__atomic_exchange_n(&prepared, true, __ATOMIC_ACQ_REL))
		return;
	(void)sigaction(THREAD_SIGNAL, &action, NULL);
}

int thread_start(
	pthread_t *ret, enum thread_kind kind, const char *name, void *(*run)(void *arg), void *arg)
{
	return thread_renew(ret, false, kind, name, run, arg);
}

int thread_renew(pthread_t *thread, bool ended, enum thread_kind kind, const char *name,
	void *(*run)(void *arg), void *arg)
{
	struct birth b = {
		.kind = kind, .name = name, .run = run, .arg = arg, .ended = ended ? thread : NULL};

	thread_prepare();
	int r = starter_make(&b);
	if (r == 0)
		*thread = b.thread;
	return r;
}

WALL_CALL(main, tgkill);
WALL_CALL(main, getpid);
WALL_CALL(main, rt_sigprocmask);

void thread_interrupt(pthread_t thread)
{
	(void)pthread_kill(thread, THREAD_SIGNAL);
}

WALL_CALL(every, clock_gettime);

struct timespec thread_deadline(unsigned ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

WALL_CALL(main, clock_nanosleep);

bool thread_join(pthread_t thread, unsigned ms)
{
	for (unsigned waited_us = 0;; waited_us += JOIN_STEP_US) {
		if (pthread_tryjoin_np(thread, NULL) == 0)
			return true;
		if (waited_us / 1000 >= ms)
			return false;
		thread_interrupt(thread);
		(void)usleep(JOIN_STEP_US);
	}
}
