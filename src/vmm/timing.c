/* SPDX-License-Identifier: MIT */
#include "vmm/timing.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "vmm/cpu.h"
#include "vmm/vm.h"

static uint64_t wall_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t timeval_us(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

static uint64_t user_us(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	return timeval_us(&ru.ru_utime);
}

void timing_start(struct timing *t)
{
	uint64_t now = wall_us();

	*t = (struct timing){.start_us = now, .last_us = now, .last_user_us = user_us()};
}

void timing_mark(struct timing *t, const char *name)
{
	uint64_t wall = wall_us(), user = user_us();

	if (t->count < TIMING_PHASES_MAX)
		t->phases[t->count++] = (struct timing_phase){
			.name = name,
			.wall_us = wall - t->last_us,
			.user_us = user - t->last_user_us,
		};
	t->last_us = wall;
	t->last_user_us = user;
}

static void print_bus(const struct bus *b)
{
	for (size_t i = 0; i < b->count; i++)
		(void)fprintf(stderr, "timing range %s %s reads %llu writes %llu\n", b->name,
			b->ranges[i]->name, (unsigned long long)b->ranges[i]->reads,
			(unsigned long long)b->ranges[i]->writes);
	(void)fprintf(
		stderr, "timing range %s - missed %llu\n", b->name, (unsigned long long)b->missed);
}

void timing_print(const struct vm *vm)
{
	const struct timing *t = &vm->timing;
	uint64_t total = 0;

	for (size_t i = 0; i < t->count; i++)
		(void)fprintf(stderr, "timing phase %s %llu us user %llu us\n", t->phases[i].name,
			(unsigned long long)t->phases[i].wall_us,
			(unsigned long long)t->phases[i].user_us);
	for (unsigned reason = 0; reason < CPU_EXITS; reason++) {
		uint64_t n = 0;
		for (unsigned i = 0; i < vm->cpu_count && vm->cpus; i++)
			n += vm->cpus[i].exits[reason];
		if (n)
			(void)fprintf(stderr, "timing exit %s %llu\n", cpu_exit_name(reason),
				(unsigned long long)n);
		total += n;
	}
	(void)fprintf(stderr, "timing exit total %llu\n", (unsigned long long)total);
	(void)fprintf(stderr, "timing coalesced %llu\n", (unsigned long long)vm->coalesce.taken);
	print_bus(&vm->ports);
	print_bus(&vm->mmio);
	(void)fprintf(
		stderr, "timing total %llu us\n", (unsigned long long)(wall_us() - t->start_us));
}
