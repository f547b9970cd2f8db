/* SPDX-License-Identifier: MIT */
#include "vmm/walls/starter.h"

#include "base/err.h"
#include "shortage.h"
#include "suite.h"
#include "vmm/thread.h"
#include "vmm/wall.h"
#include "vmm/walls/filter.h"

#include <sys/wait.h>
#include <unistd.h>

#define OWN 0x787573ffU

static void *worker_run(void *arg)
{
	return arg;
}

static void *processor_run(void *arg)
{
	pthread_t thread;
	int *result = arg;

	shortage = 5;
	*result = thread_start(&thread, THREAD_WORKER, "worker", worker_run, NULL);
	if (*result == 0)
		(void)pthread_join(thread, NULL);
	return NULL;
}

static int shortage_meet(void)
{
	const struct wall w = {.uid = geteuid() == 0 ? OWN : 0,
		.filters = wall_filters,
		.keeper_fd = -1,
		.refused_fd = -1};
	struct err e = {0};
	pthread_t thread;
	int result;

	if (wall_raise(&w, &e) < 0)
		return 2;
	if (thread_start(&thread, THREAD_VCPU, "vcpu", processor_run, &result) < 0)
		return 3;
	(void)pthread_join(thread, NULL);
	if (result < 0)
		return 5;
	shortage = SHORTAGE_LASTS;
	return thread_start(&thread, THREAD_WORKER, "worker", worker_run, NULL) == -EAGAIN ? 0 : 4;
}

/* The starter waits by calls that its filter permits. */
START_TEST(a_thread_comes_after_a_passing_shortage)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(shortage_meet());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* It makes descriptors as well, for which others wait. */
START_TEST(a_shortage_that_lasts_is_waited_for_once)
{
	pthread_t thread;

	shortage = SHORTAGE_LASTS;
	ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "worker", worker_run, NULL), -EAGAIN);
	shortage = 1;
	ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "worker", worker_run, NULL), -EAGAIN);
	ck_assert_int_eq(shortage, 0);
	ck_assert_int_eq(thread_start(&thread, THREAD_WORKER, "worker", worker_run, NULL), 0);
	(void)pthread_join(thread, NULL);
}
END_TEST

/* An outbox keeps its output, and tries again itself. */
START_TEST(nobody_waits_for_the_thread_of_an_outbox)
{
	pthread_t thread;

	shortage = 1;
	ck_assert_int_eq(thread_start(&thread, THREAD_OUTBOX, "outbox", worker_run, NULL), -EAGAIN);
}
END_TEST

SUITE("starter", a_thread_comes_after_a_passing_shortage, a_shortage_that_lasts_is_waited_for_once,
	nobody_waits_for_the_thread_of_an_outbox)
