/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: the steps of one group run in their order, and after a failure no step starts.
 *
 * Groups are distributed over lanes (see the header for which groups share one), each with a
 * worker. A lane runs its steps until a write: the worker starts it, and the lane waits for the
 * answer. bind_parallel_run() advances every lane, then waits for any answer or the next deadline,
 * and advances that lane. One thread does all this; only the writes overlap.
 */
#include "bind/parallel.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <string.h>

/* Drivers that are known to unbind many devices at one time: see the header. */
static const char *const parallel_drivers[] = {"nvme"};

static bool driver_is_parallel(const char *driver)
{
	for (size_t i = 0; i < COUNT(parallel_drivers); i++)
		if (strcmp(driver, parallel_drivers[i]) == 0)
			return true;
	return !*driver;
}

static bool member_resizes(const struct bind_member *m)
{
	for (unsigned i = 0; i < PCI_BAR_COUNT; i++)
		if (m->bar[i])
			return true;
	return false;
}

static bool members_clash(const struct bind_member *a, const struct bind_member *b)
{
	if (a->act != BIND_ACT_TAKE || b->act != BIND_ACT_TAKE)
		return false;
	return (strcmp(a->device.driver, b->device.driver) == 0 &&
		       !driver_is_parallel(a->device.driver)) ||
	       (member_resizes(a) && member_resizes(b));
}

static bool groups_clash(const struct bind_group *a, const struct bind_group *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			if (members_clash(&a->members[i], &b->members[k]))
				return true;
	return false;
}

/* Two lanes become one, and the last one takes the number that is free. */
static void lanes_join(unsigned *of, size_t groups, unsigned keep, unsigned drop, unsigned last)
{
	for (size_t i = 0; i < groups; i++) {
		if (of[i] == drop)
			of[i] = keep;
		else if (of[i] == last)
			of[i] = drop;
	}
}

size_t bind_parallel_choose(const struct bind_plan *p, unsigned *ret)
{
	unsigned count = 0;

	for (size_t i = 0; i < p->group_count; i++) {
		ret[i] = count++;
		for (size_t k = 0; k < i; k++) {
			unsigned keep = ret[k] < ret[i] ? ret[k] : ret[i];
			unsigned drop = ret[k] < ret[i] ? ret[i] : ret[k];
			if (keep != drop && groups_clash(&p->groups[i], &p->groups[k]))
				lanes_join(ret, i + 1, keep, drop, --count);
		}
	}
	/* More than there are writers for wait for one another. */
	for (size_t i = 0; i < p->group_count; i++)
		ret[i] %= BIND_WRITERS_MAX;
	return count < BIND_WRITERS_MAX ? count : BIND_WRITERS_MAX;
}

unsigned bind_parallel_lane(const struct bind_parallel *l, int group)
{
	for (size_t i = 0; i < l->plan->group_count; i++)
		if (l->plan->groups[i].number == group)
			return l->of[i];
	return 0;
}

/* One run: its steps, and the first failure. */
struct parallel_run {
	struct bind_parallel *l;
	const struct bind_step *steps;
	size_t count;
	int code;
	struct err *e;
};

static void lane_fail(
	struct parallel_run *r, struct bind_parallel_lane *lane, int code, const struct err *why)
{
	lane->failed = &r->steps[lane->next];
	lane->code = code;
	if (r->code == 0) {
		r->code = code;
		*r->e = *why;
	}
}

/* Does what a lane can do without waiting; its next write is then under way. */
static void lane_advance(struct parallel_run *r, unsigned number)
{
	struct bind_parallel *l = r->l;
	struct bind_parallel_lane *lane = &l->list[number];

	for (; r->code == 0 && lane->next < r->count; lane->next++) {
		const struct bind_step *s = &r->steps[lane->next];
		struct err why = {0};
		if (bind_parallel_lane(l, s->group) != number)
			continue;
		int code = s->op == BIND_OP_WRITE ? bind_worker_ask(&l->work->workers[number],
							    s->path, s->text, &why)
						  : l->step(l->arg, s, &why);
		if (code < 0) {
			lane_fail(r, lane, code, &why);
			return;
		}
		if (s->op == BIND_OP_WRITE) {
			lane->is_asked = true;
			lane->is_passed = !l->pass;
			lane->deadline = clock_ms() + l->work->env->timeout_ms;
			lane->slow = lane->deadline - l->work->env->timeout_ms * 29 / 30;
			return;
		}
	}
}

/* Once for each write. */
static void lane_pass(struct parallel_run *r, struct bind_parallel_lane *lane)
{
	if (!lane->is_passed)
		r->l->pass(r->l->arg, &r->steps[lane->next]);
	lane->is_passed = true;
}

static void lane_hear(struct parallel_run *r, unsigned number)
{
	struct bind_parallel_lane *lane = &r->l->list[number];
	struct err why = {0};

	lane->is_asked = false;
	lane_pass(r, lane);
	int code = bind_worker_answer(&r->l->work->workers[number], 0, &why);
	if (code < 0)
		lane_fail(r, lane, code, &why);
	else
		lane->next++;
}

/*
 * What waits for an answer: writers in @asked, the lane with the first deadline in @first, and in
 * @slow the one that is the first to count as slow; each is -1 for none.
 */
static void lanes_sort(const struct bind_parallel *l, struct bind_writer *asked[BIND_WRITERS_MAX],
	int *first, int *slow)
{
	*first = *slow = -1;
	for (size_t i = 0; i < l->count; i++) {
		const struct bind_parallel_lane *lane = &l->list[i];
		asked[i] = lane->is_asked ? l->work->workers[i].writer : NULL;
		if (!lane->is_asked)
			continue;
		if (*first < 0 || lane->deadline < l->list[*first].deadline)
			*first = (int)i;
		if (!lane->is_passed && (*slow < 0 || lane->slow < l->list[*slow].slow))
			*slow = (int)i;
	}
}

/* Waits for an answer or the first deadline. Return: its lane; -1 if no lane waits. */
static int lanes_wait(struct parallel_run *r)
{
	struct bind_parallel *l = r->l;
	struct bind_writer *asked[BIND_WRITERS_MAX] = {0};

	for (;;) {
		int first, slow;
		lanes_sort(l, asked, &first, &slow);
		if (first < 0)
			return -1;
		if (slow >= 0 && l->list[slow].slow >= l->list[first].deadline)
			slow = -1;
		int64_t until = slow >= 0 ? l->list[slow].slow : l->list[first].deadline;
		int64_t left = until - clock_ms();
		int one = l->work->env->kernel->wait(asked, l->count, left > 0 ? (int)left : 0);
		if (one >= 0)
			return one;
		if (slow < 0)
			return first;
		lane_pass(r, &l->list[slow]);
	}
}

int bind_parallel_run(
	struct bind_parallel *l, const struct bind_step *steps, size_t count, struct err *e)
{
	struct parallel_run r = {.l = l, .steps = steps, .count = count, .e = e};
	int one;

	for (unsigned i = 0; i < l->count; i++)
		lane_advance(&r, i);
	while ((one = lanes_wait(&r)) >= 0) {
		lane_hear(&r, (unsigned)one);
		lane_advance(&r, (unsigned)one);
	}
	return r.code;
}
