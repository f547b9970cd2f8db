/* SPDX-License-Identifier: MIT */
#include "cli/loan.h"

#include "base/err.h"
#include "cli/report.h"
#include "view/plan.h"
#include "view/release.h"

#include <stdio.h>

static int device_add(struct loan_words *w, const char *text)
{
	struct err e = {0};

	if (spec_add_device(&w->spec, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

static int env_add(struct loan_words *w, const char *text)
{
	struct err e = {0};

	if (spec_add_env(&w->spec, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

int loan_option(struct loan_words *w, int c, const char *text)
{
	switch (c) {
	case LOAN_DEVICE:
		return device_add(w, text);
	case LOAN_ALLOW:
		if (w->allow_count == LOAN_ALLOW_MAX)
			return option_wrong(
				w->verb, "--allow: more than %d checks", LOAN_ALLOW_MAX);
		w->allow[w->allow_count++] = text;
		return 0;
	case LOAN_ENV:
		return env_add(w, text);
	case LOAN_PLAN:
		w->plan = true;
		return 0;
	default:
		w->quiet = true;
		return 0;
	}
}

struct keeper loan_keeper(struct loan_words *w)
{
	return (struct keeper){
		.env = bind_env_live(),
		.spec = &w->spec,
		.allow = w->allow,
		.allow_count = w->allow_count,
	};
}

static void print_plan(const struct loan_words *w, const struct bind_plan *p)
{
	if (p->refusals)
		report_problems(p);
	else if (!w->quiet)
		plan_text(stderr, p);
}

void loan_print(const struct loan_words *w, const struct keeper_news *n)
{
	switch (n->event) {
	case KEEPER_PLANNED:
		print_plan(w, n->plan);
		break;
	case KEEPER_GIVEN:
		if (!w->quiet)
			release_text(stderr, n->report);
		break;
	case KEEPER_STUCK:
		release_text(stderr, n->report);
		report(n->error);
		report_note("the journal keeps it: 'usher restore' tries again");
		break;
	case KEEPER_FAILED:
		report(n->error);
		break;
	case KEEPER_LOST:
		report_note("%d messages are lost, since nobody read them in time", n->status);
		break;
	case KEEPER_STARTED:
	case KEEPER_STOPPING:
	case KEEPER_ENDED:
	case KEEPER_WIPED:
		break;
	}
}

int loan_leave(int r, const struct keeper_end *end)
{
	if (end->refused)
		return LEAVE_REFUSED;
	return r < 0 ? LOAN_OURS : end->status;
}
