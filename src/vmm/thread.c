/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <signal.h>
#include <time.h>

#define THREAD_SIGNAL SIGRTMIN
#define JOIN_STEP_MS 10 /* between two interruptions */

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

bool thread_join(pthread_t thread, unsigned ms)
{
	for (unsigned waited = 0;; waited += JOIN_STEP_MS) {
		struct timespec until;

		thread_interrupt(thread);
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += JOIN_STEP_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
			return true;
		if (waited >= ms)
			return false;
	}
}
