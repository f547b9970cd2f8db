/* SPDX-License-Identifier: MIT */
#include "bind/problem.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bind_allows(const char *const *allow, size_t count, const char *check)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(allow[i], check) == 0)
			return true;
	return false;
}

static bool problem_lasts(const struct bind_problem *b)
{
	static const char *const checks[] = {"iommu", "bridge", "platform", "denylist"};

	for (size_t i = 0; i < COUNT(checks); i++)
		if (b->refuses && strcmp(b->check, checks[i]) == 0)
			return true;
	return false;
}

void bind_plan_keep_lasting(struct bind_plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->problem_count; i++)
		if (problem_lasts(&p->problems[i]))
			p->problems[kept++] = p->problems[i];
	p->problem_count = p->refusals = kept;
}

int bind_problem_refuse(const struct bind_plan *p, struct err *e)
{
	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		if (!b->refuses)
			continue;
		err_say(e, -EPERM, "%s: %s", b->object, b->text);
		err_hint(e, "%s", b->fix);
		break;
	}
	return -EPERM;
}

int bind_problem_add(struct bind_plan *p, const struct bind_request *q,
	const struct problem_kind *kind, const char *object, const char *fmt, ...)
{
	va_list ap;

	struct bind_problem *list =
		reallocarray(p->problems, p->problem_count + 1, sizeof(*p->problems));
	if (!list)
		return -ENOMEM;
	p->problems = list;
	struct bind_problem *b = &list[p->problem_count++];
	*b = (struct bind_problem){.check = kind->check};
	b->liftable = kind->weight == PROBLEM_LIFTABLE;
	b->refuses = kind->weight == PROBLEM_REFUSES ||
		     (b->liftable && !bind_allows(q->allow, q->allow_count, kind->check));
	(void)snprintf(b->object, sizeof(b->object), "%s", object);
	va_start(ap, fmt);
	(void)vsnprintf(b->text, sizeof(b->text), fmt, ap);
	va_end(ap);
	if (kind->fix)
		(void)snprintf(b->fix, sizeof(b->fix), "%s", kind->fix);
	p->refusals += b->refuses;
	return 0;
}
