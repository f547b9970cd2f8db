/* SPDX-License-Identifier: MIT */
#include "vmm/worker.h"

#include "base/log.h"
#include "base/num.h"
#include "shortage.h"
#include "suite.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct note {
	struct worker_job job;
	char letter;
	int again; /* how often it adds itself */
};

static struct worker w;
static char done[16];
static pthread_t ran_on;
static char thread_name[THREAD_NAME];
static sem_t begun, go_on;

static void run_note(struct worker_job *j)
{
	struct note *n = container_of(j, struct note, job);

	done[strlen(done)] = n->letter;
	ran_on = pthread_self();
	(void)pthread_getname_np(ran_on, thread_name, sizeof(thread_name));
	if (n->again-- > 0)
		worker_add(&w, j);
}

static void run_blocking(struct worker_job *j)
{
	(void)sem_post(&begun);
	(void)sem_wait(&go_on);
	run_note(j);
}

static void setup(void)
{
	memset(done, 0, sizeof(done));
	(void)sem_init(&begun, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	worker_init(&w, "worker 1");
}

START_TEST(jobs_run_in_order_on_a_thread_with_a_name)
{
	struct note a = {.job = {.run = run_blocking}, .letter = 'a'},
		    b = {.job = {.run = run_note}, .letter = 'b', .again = 1},
		    c = {.job = {.run = run_note}, .letter = 'c'};

	setup();
	worker_add(&w, &a.job);
	(void)sem_wait(&begun);
	worker_add(&w, &b.job);
	worker_add(&w, &c.job);
	worker_add(&w, &b.job); /* it waits already */
	ck_assert(!worker_wait(&w, 10));
	ck_assert_str_eq(done, "");
	(void)sem_post(&go_on);
	ck_assert(worker_wait(&w, 60000));
	ck_assert_str_eq(done, "abcb");
	ck_assert(!pthread_equal(ran_on, pthread_self()));
	ck_assert_str_eq(thread_name, "worker 1");
	worker_fini(&w);
}
END_TEST

static bool has_thread(void)
{
	lock_take(&w.lock);
	bool alive = w.alive;
	lock_drop(&w.lock);
	return alive;
}

/* A job soon after the last one has the same thread; some time later the thread is gone. */
START_TEST(a_worker_without_a_job_has_no_thread)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'};

	setup();
	ck_assert(worker_wait(&w, 0));
	ck_assert(!has_thread());
	for (int i = 0; i < 10; i++) {
		worker_add(&w, &a.job);
		ck_assert(worker_wait(&w, 60000));
	}
	ck_assert_str_eq(done, "aaaaaaaaaa");
	while (has_thread())
		(void)usleep(1000);
	worker_add(&w, &a.job);
	ck_assert(worker_wait(&w, 60000));
	ck_assert_str_eq(done, "aaaaaaaaaaa");
	worker_fini(&w);
}
END_TEST

/* What is added afterwards is not waited for; a job that takes longer is left alone. */
START_TEST(sync_waits_for_what_was_added_before)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a', .again = 5},
		    b = {.job = {.run = run_blocking}, .letter = 'b'};

	setup();
	ck_assert(worker_sync(&w, 0));
	worker_add(&w, &a.job);
	ck_assert(worker_sync(&w, 60000));
	ck_assert(worker_wait(&w, 60000));
	ck_assert_str_eq(done, "aaaaaa");
	worker_add(&w, &b.job);
	ck_assert(!worker_sync(&w, 10));
	ck_assert(!worker_sync(&w, 600000)); /* not again for the same job */
	ck_assert_str_eq(done, "aaaaaa");
	(void)sem_post(&go_on);
	ck_assert(worker_wait(&w, 60000));
	ck_assert(worker_sync(&w, 0));
	ck_assert_str_eq(done, "aaaaaab");
	worker_fini(&w);
}
END_TEST

START_TEST(the_end_waits_for_what_is_queued)
{
	struct note a = {.job = {.run = run_blocking}, .letter = 'a'},
		    b = {.job = {.run = run_note}, .letter = 'b'};

	setup();
	worker_add(&w, &a.job);
	worker_add(&w, &b.job);
	(void)sem_post(&go_on);
	worker_fini(&w);
	ck_assert_str_eq(done, "ab");
}
END_TEST

/* The filter of the main thread does not permit the calls of a job. */
START_TEST(without_a_thread_no_job_runs)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'};

	setup();
	shortage = SHORTAGE_LASTS;
	worker_add(&w, &a.job);
	ck_assert(!worker_wait(&w, 0));
	ck_assert(!worker_wait(&w, 30));
	ck_assert(!worker_sync(&w, 60000));
	ck_assert(!worker_is_idle(&w));
	ck_assert_str_eq(done, "");
	shortage = 0;
	ck_assert(worker_wait(&w, 60000));
	ck_assert_str_eq(done, "a");
	ck_assert(!pthread_equal(ran_on, pthread_self()));
	worker_fini(&w);
}
END_TEST

START_TEST(sync_waits_again_after_a_shortage)
{
	struct note a = {.job = {.run = run_blocking}, .letter = 'a'};

	setup();
	shortage = SHORTAGE_LASTS;
	worker_add(&w, &a.job);
	ck_assert(!worker_sync(&w, 60000));
	shortage = 0;
	(void)sem_post(&go_on);
	ck_assert(worker_sync(&w, 60000));
	ck_assert_str_eq(done, "a");
	worker_fini(&w);
}
END_TEST

START_TEST(the_end_without_a_thread_drops_jobs)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'},
		    b = {.job = {.run = run_note}, .letter = 'b'};

	setup();
	shortage = SHORTAGE_LASTS;
	worker_add(&w, &a.job);
	worker_add(&w, &b.job);
	worker_fini(&w);
	ck_assert(worker_is_idle(&w));
	ck_assert_str_eq(done, "");
}
END_TEST

/* The processors have ended, but the limit counts them for a moment. */
START_TEST(the_end_tries_more_than_once)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'};

	setup();
	shortage = SHORTAGE_LASTS;
	worker_add(&w, &a.job);
	shortage = 5;
	worker_fini(&w);
	ck_assert_str_eq(done, "a");
}
END_TEST

START_TEST(a_passing_shortage_delays_a_job_alone)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'};

	setup();
	shortage = 5;
	worker_add(&w, &a.job);
	ck_assert_int_eq(shortage, 0);
	while (!worker_is_idle(&w))
		(void)usleep(1000);
	ck_assert_str_eq(done, "a");
	worker_fini(&w);
}
END_TEST

static unsigned lines;

static void count_line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	lines += memmem(text, len, "worker 1: ", 10) && memmem(text, len, "pids.max", 8);
}

START_TEST(the_log_names_the_limits_once)
{
	struct note a = {.job = {.run = run_note}, .letter = 'a'};

	setup();
	log_set_output(count_line, NULL);
	shortage = SHORTAGE_LASTS;
	worker_add(&w, &a.job);
	worker_add(&w, &a.job);
	worker_fini(&w);
	ck_assert_uint_eq(lines, 1);
}
END_TEST

#define ADDERS 3
#define ROUNDS 3000

static unsigned counts[ADDERS]; /* changed only by the worker's jobs, one at a time */

static void count_one(struct worker_job *j)
{
	counts[container_of(j, struct note, job)->again]++;
}

static void *add_often(void *arg)
{
	struct note *n = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		worker_add(&w, &n->job);
	return NULL;
}

/* Threads of the worker end while others begin; each is joined once. */
START_TEST(several_threads_add_jobs_at_once)
{
	struct note notes[ADDERS];
	pthread_t threads[ADDERS];

	setup();
	for (int i = 0; i < ADDERS; i++)
		notes[i] = (struct note){.job = {.run = count_one}, .again = i};
	for (int i = 0; i < ADDERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_often, &notes[i]), 0);
	for (int i = 0; i < ADDERS; i++)
		(void)pthread_join(threads[i], NULL);
	ck_assert(worker_wait(&w, 60000));
	for (int i = 0; i < ADDERS; i++)
		ck_assert_uint_ge(counts[i], 1);
	worker_fini(&w);
}
END_TEST

static int status_of_order(enum lock_rank first, enum lock_rank second)
{
	struct lock a = LOCK_INIT(first), b = LOCK_INIT(second);
	int status;
	pid_t pid = fork();

	if (!pid) {
		(void)close(STDERR_FILENO);
		lock_take(&a);
		lock_take(&b);
		lock_drop(&a);
		lock_drop(&b);
		_exit(lock_is_mine(&a) || lock_is_mine(&b));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(locks_are_taken_in_their_order)
{
	ck_assert_int_eq(status_of_order(LOCK_PORT, LOCK_DEVICE), 0);
	ck_assert_int_eq(status_of_order(LOCK_DEVICE, LOCK_PORT), SIGABRT);
	ck_assert_int_eq(status_of_order(LOCK_DEVICE, LOCK_DEVICE), SIGABRT);
}
END_TEST

SUITE("worker", jobs_run_in_order_on_a_thread_with_a_name, a_worker_without_a_job_has_no_thread,
	sync_waits_for_what_was_added_before, the_end_waits_for_what_is_queued,
	without_a_thread_no_job_runs, sync_waits_again_after_a_shortage,
	the_end_without_a_thread_drops_jobs, the_end_tries_more_than_once,
	a_passing_shortage_delays_a_job_alone, the_log_names_the_limits_once,
	several_threads_add_jobs_at_once, locks_are_taken_in_their_order)
