/* SPDX-License-Identifier: MIT */
#ifndef BIND_PROBLEM_H
#define BIND_PROBLEM_H

#include "bind/plan.h"

enum problem_weight {
	PROBLEM_WARNS,
	PROBLEM_REFUSES, /* nothing lifts it */
	PROBLEM_LIFTABLE, /* refuses, unless the request allows the check */
};

/* What a problem is about; @fix may be NULL. @check must outlive the plan: a literal. */
struct problem_kind {
	const char *check;
	enum problem_weight weight;
	const char *fix;
};

/* Adds one to a plan that is made for @q. Return: 0, -ENOMEM. */
int bind_problem_add(struct bind_plan *p, const struct bind_request *q,
	const struct problem_kind *kind, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* The first problem that refuses as an error with its hint. Return: -EPERM. */
int bind_problem_refuse(const struct bind_plan *p, struct err *e);

/* Whether a list of names has @check. */
bool bind_allows(const char *const *allow, size_t count, const char *check);

#endif
