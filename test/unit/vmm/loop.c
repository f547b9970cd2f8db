/* SPDX-License-Identifier: MIT */
/* The main thread's events, whose sources other threads remove and free. */
#include "vmm/loop.h"

#include "base/err.h"
#include "base/num.h"
#include "suite.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct source {
	struct loop_source loop;
	unsigned served;
};

static struct loop loop;
static sem_t begun, go_on;
static bool settled;

static void on_event(struct loop_source *s, uint32_t events)
{
	struct source *e = container_of(s, struct source, loop);
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
	e->served++;
}

static void on_slow_event(struct loop_source *s, uint32_t events)
{
	(void)sem_post(&begun);
	(void)sem_wait(&go_on);
	on_event(s, events);
	ck_assert(!__atomic_load_n(&settled, __ATOMIC_SEQ_CST));
}

static struct source *add_source(void (*ready)(struct loop_source *s, uint32_t events))
{
	struct source *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->loop =
		(struct loop_source){.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), .ready = ready};
	ck_assert_int_ge(s->loop.fd, 0);
	ck_assert_int_eq(loop_add(&loop, &s->loop, NULL), 0);
	return s;
}

static void free_source(struct source *s)
{
	loop_remove(&loop, &s->loop);
	loop_settle(&loop);
	(void)close(s->loop.fd);
	memset(s, 0xff, sizeof(*s)); /* its ready() leads nowhere */
	free(s);
}

static void *run_loop(void *arg)
{
	(void)arg;
	ck_assert_int_eq(loop_run(&loop, NULL), 0);
	return NULL;
}

static void *settle_loop(void *arg)
{
	loop_remove(&loop, arg);
	loop_settle(&loop);
	__atomic_store_n(&settled, true, __ATOMIC_SEQ_CST);
	return NULL;
}

START_TEST(who_removes_a_source_waits_for_its_event)
{
	pthread_t runner, remover;

	(void)sem_init(&begun, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	struct source *s = add_source(on_slow_event);
	ck_assert_int_eq(pthread_create(&runner, NULL, run_loop, NULL), 0);
	(void)sem_wait(&begun);
	ck_assert_int_eq(pthread_create(&remover, NULL, settle_loop, &s->loop), 0);
	(void)usleep(20000);
	ck_assert(!__atomic_load_n(&settled, __ATOMIC_SEQ_CST));
	(void)sem_post(&go_on);
	ck_assert_int_eq(pthread_join(remover, NULL), 0);
	ck_assert_uint_eq(s->served, 1);
	free_source(s);
	loop_stop(&loop);
	ck_assert_int_eq(pthread_join(runner, NULL), 0);
	loop_fini(&loop);
}
END_TEST

/* The event is signalled all the time: each round meets the loop at another point. */
START_TEST(sources_go_while_their_events_come)
{
	pthread_t runner;

	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(pthread_create(&runner, NULL, run_loop, NULL), 0);
	for (unsigned round = 0; round < 5000; round++) {
		struct source *s = add_source(on_event);
		for (unsigned spin = 0; spin < round % 64; spin++)
			(void)eventfd_write(s->loop.fd, 1);
		free_source(s);
	}
	loop_stop(&loop);
	ck_assert_int_eq(pthread_join(runner, NULL), 0);
	loop_fini(&loop);
}
END_TEST

SUITE("loop", who_removes_a_source_waits_for_its_event, sources_go_while_their_events_come)
