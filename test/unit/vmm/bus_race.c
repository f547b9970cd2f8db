/* SPDX-License-Identifier: MIT */
/* Several vCPUs access buses whose ranges come and go. */
#include "base/num.h"
#include "suite.h"
#include "vmm/bus.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define DEVICES 4
#define ROUNDS 3000
#define PLACE(i) (0x1000 * ((uint64_t)(i) + 1))

struct device {
	struct bus_range range;
	struct lock lock;
	unsigned number;
	bool there; /* under the lock */
	unsigned inside; /* threads inside a call */
};

static struct bus bus;
static bool stop;

static uint64_t device_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct device *d = container_of(r, struct device, range);

	ck_assert(lock_is_mine(&d->lock));
	ck_assert(d->there);
	ck_assert_uint_eq(d->inside++, 0);
	d->inside--;
	return d->number;
}

static struct device *device_new(unsigned number)
{
	struct device *d = calloc(1, sizeof(*d));

	ck_assert_ptr_nonnull(d);
	d->number = number;
	d->lock = (struct lock)LOCK_INIT(LOCK_DEVICE);
	d->range = (struct bus_range){.name = "device",
		.lock = &d->lock,
		.base = PLACE(number),
		.size = 0x1000,
		.read = device_read};
	return d;
}

static void device_add(struct device *d)
{
	lock_take(&d->lock);
	d->there = true;
	ck_assert_int_eq(bus_add(&bus, &d->range, NULL), 0);
	lock_drop(&d->lock);
}

static void device_remove(struct device *d)
{
	lock_take(&d->lock);
	bus_remove(&bus, &d->range);
	d->there = false;
	lock_drop(&d->lock);
}

static void *access_all(void *arg)
{
	uint64_t *answers = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < DEVICES; i++) {
			uint64_t v = bus_read(&bus, PLACE(i) + 8, 4);
			ck_assert(v == i || v == UINT32_MAX);
			*answers += v == i;
		}
	}
	return NULL;
}

static void *come_and_go(void *arg)
{
	unsigned number = *(unsigned *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct device *d = device_new(number);
		device_add(d);
		if (i % 64 == 0)
			(void)usleep(100);
		device_remove(d);
		bus_range_wait(&d->range);
		free(d);
	}
	return NULL;
}

START_TEST(ranges_come_and_go_while_others_access_them)
{
	pthread_t readers[2], owners[DEVICES];
	uint64_t answers[COUNT(readers)] = {0};
	unsigned numbers[DEVICES];

	bus = (struct bus)BUS_INIT("mmio");
	for (size_t i = 0; i < COUNT(readers); i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, access_all, &answers[i]), 0);
	for (unsigned i = 0; i < DEVICES; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&owners[i], NULL, come_and_go, &numbers[i]), 0);
	}
	for (size_t i = 0; i < DEVICES; i++)
		(void)pthread_join(owners[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < COUNT(readers); i++)
		(void)pthread_join(readers[i], NULL);
	ck_assert_uint_gt(answers[0] + answers[1], 0);
	ck_assert_uint_eq(bus.count, 0);
}
END_TEST

struct access {
	uint64_t addr;
	uint64_t value;
};

static void *access_once(void *arg)
{
	struct access *a = arg;

	a->value = bus_read(&bus, a->addr, 4);
	return NULL;
}

/*
 * A vCPU has found the range of @d, which alone is on the bus, and waits for its lock; the range
 * has left its place meanwhile. The caller drops the lock, and joins the thread.
 */
static pthread_t device_leave_accessed(struct device *d, struct access *a)
{
	pthread_t vcpu;

	bus = (struct bus)BUS_INIT("mmio");
	device_add(d);
	lock_take(&d->lock);
	ck_assert_int_eq(pthread_create(&vcpu, NULL, access_once, a), 0);
	while (!__atomic_load_n(&d->range.pins, __ATOMIC_ACQUIRE))
		(void)usleep(100);
	bus_remove(&bus, &d->range);
	return vcpu;
}

START_TEST(a_range_that_goes_before_the_lock_does_not_answer)
{
	struct device *d = device_new(0);
	struct access a = {.addr = PLACE(0)};
	pthread_t vcpu = device_leave_accessed(d, &a);

	/* At another place the range is not the one that the vCPU accessed, either. */
	d->range.base = PLACE(1);
	ck_assert_int_eq(bus_add(&bus, &d->range, NULL), 0);
	lock_drop(&d->lock);
	(void)pthread_join(vcpu, NULL);
	ck_assert_uint_eq(a.value, UINT32_MAX);
	ck_assert_uint_eq(d->range.reads, 0);
	ck_assert_uint_eq(bus_read(&bus, PLACE(1), 4), 0);
	device_remove(d);
	free(d);
}
END_TEST

/* When the vCPU gets the lock, another device has the place: that one answers. */
START_TEST(the_next_owner_of_the_place_answers)
{
	struct device *d = device_new(0), *next = device_new(1);
	struct access a = {.addr = PLACE(0)};
	pthread_t vcpu = device_leave_accessed(d, &a);

	next->range.base = PLACE(0);
	next->there = true;
	ck_assert_int_eq(bus_add(&bus, &next->range, NULL), 0);
	lock_drop(&d->lock);
	(void)pthread_join(vcpu, NULL);
	ck_assert_uint_eq(a.value, 1);
	device_remove(next);
	free(d);
	free(next);
}
END_TEST

static sem_t entered, go_on;

static uint64_t blocking_read(struct bus_range *r, uint64_t off, unsigned size)
{
	(void)sem_post(&entered);
	(void)sem_wait(&go_on);
	return 7;
}

/* While one vCPU is in a slow device, another vCPU's access to another device goes on. */
START_TEST(a_device_that_waits_holds_up_no_other)
{
	struct device *slow = device_new(0), *quick = device_new(1);
	struct access a = {.addr = PLACE(0)};
	pthread_t vcpu;

	bus = (struct bus)BUS_INIT("mmio");
	(void)sem_init(&entered, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	slow->range.read = blocking_read;
	device_add(slow);
	device_add(quick);
	ck_assert_int_eq(pthread_create(&vcpu, NULL, access_once, &a), 0);
	(void)sem_wait(&entered);
	ck_assert_uint_eq(bus_read(&bus, PLACE(1), 4), 1);
	/* A slow device does not delay devices that are added, moved or removed, either. */
	device_remove(quick);
	ck_assert_uint_eq(bus_read(&bus, PLACE(1), 4), UINT32_MAX);
	device_add(quick);
	(void)sem_post(&go_on);
	(void)pthread_join(vcpu, NULL);
	ck_assert_uint_eq(a.value, 7);
	device_remove(quick);
	device_remove(slow);
	free(quick);
	free(slow);
}
END_TEST

SUITE("bus_race", ranges_come_and_go_while_others_access_them,
	a_range_that_goes_before_the_lock_does_not_answer, the_next_owner_of_the_place_answers,
	a_device_that_waits_holds_up_no_other)
