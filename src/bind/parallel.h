/* SPDX-License-Identifier: MIT */
#ifndef BIND_PARALLEL_H
#define BIND_PARALLEL_H

#include "bind/plan.h"
#include "bind/transaction.h"

/*
 * Groups that are taken side by side. An unbind runs the old driver's remove(), which for a disk
 * is its shutdown and takes seconds; a rack of them one after the other takes minutes. Each lane
 * has a worker of its own and does its steps in order. Two groups share a lane where parallel
 * work is not safe:
 *
 * - few drivers are tested with devices that are unbound at the same time: ioatdma crashes the
 *   kernel (bugzilla.kernel.org 209041). Only nvme is known to be good at it,
 *   which storage users have done for years. Different drivers share no state.
 * - resizing a BAR moves the windows of the bridges above it, which others may have in common.
 */
struct bind_parallel_lane {
	const struct bind_step *failed; /* NULL: all went well */
	int code; /* of that step */
	/* How far it is. */
	size_t next;
	bool is_asked; /* its writer has not answered yet */
	bool is_passed; /* the caller was told so: see `pass` below */
	int64_t slow, deadline; /* for the answer [ms] */
};

/* The lane of each group of @p, from 0, into @ret. Return: how many there are. */
size_t bind_parallel_choose(const struct bind_plan *p, unsigned *ret);

/* All lanes of one transaction, and what they carry out. */
struct bind_parallel {
	struct bind_transaction *work;
	const struct bind_plan *plan;
	const unsigned *of; /* the lane of each group of the plan */
	size_t count;
	struct bind_parallel_lane list[BIND_WRITERS_MAX];
	/* What is no write, done at once. Return: 0, -errno. */
	int (*step)(void *arg, const struct bind_step *s, struct err *e);
	/*
	 * A write was answered, or has taken so long that it may wait for something that the caller
	 * has. Called once for each write; NULL: never.
	 */
	void (*pass)(void *arg, const struct bind_step *s);
	void *arg;
};

unsigned bind_parallel_lane(const struct bind_parallel *l, int group);

/*
 * Carries out steps of groups until all are done or one fails. After a failure it starts no step
 * and waits for those under way. Return: 0, -errno of the first that failed, with @e.
 */
int bind_parallel_run(
	struct bind_parallel *l, const struct bind_step *steps, size_t count, struct err *e);

#endif
