/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <signal.h>
#include <unistd.h>

#define THREAD_SIGNAL SIGRTMIN
#define JOIN_STEP_US 500 /* between two interruptions */

_Thread_local bool thread_is_vcpu;

static void on_interrupt(int sig)
{
	(void)sig;
}

int thread_start(pthread_t *ret, const char *name, void *(*run)(void *arg), void *arg)
{
	/* Without SA_RESTART: the system call that it meets ends. */
	const struct sigaction action = {.sa_handler = on_interrupt};

	(void)sigaction(THREAD_SIGNAL, &action, NULL);
	int r = pthread_create(ret, NULL, run, arg);
	if (r)
		return -r;
	(void)pthread_setname_np(*ret, name);
	return 0;
}

void thread_interrupt(pthread_t thread)
{
	(void)pthread_kill(thread, THREAD_SIGNAL);
}

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
