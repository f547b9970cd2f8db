/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "claim/claim.h"
#include "cli/change.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "revive/apply.h"
#include "view/revive.h"
#include "view/word.h"

#include <errno.h>
#include <stdio.h>

#define PATIENCE_MS 120000 /* the driver of a dead device may take its time to let go */

struct arguments {
	struct targets targets; /* one */
	struct revive_request request;
	struct bind_env env;
	const char *snapshot, *port;
};

/* Users beside the device are no refusal as long as there are other steps. */
static void report_aside(const struct revive_plan *p)
{
	if (p->aside.refusals)
		report_note("steps that touch other devices behind the port are left out:");
	report_problems(&p->aside);
}

static int show_plan(const struct arguments *a)
{
	struct revive_plan plan = {0};
	struct err e = {0};

	int r = revive_plan(&a->env, &a->request, &plan, &e);
	if (r == 0 && a->targets.json) {
		r = revive_json(&plan, NULL, &e);
	} else if (r == 0) {
		revive_text_plan(&plan);
		revive_text_steps(&plan);
		report_problems(&plan.says);
		report_aside(&plan);
	}
	int leave = report_outcome(r, r == 0 && plan.says.refusals, &e);
	revive_plan_fini(&plan);
	return leave;
}

static void tell_plan(void *arg, const struct revive_plan *p)
{
	(void)arg;
	revive_text_plan(p);
	report_aside(p);
	(void)fflush(stdout);
}

/* At once: a step may take minutes. */
static void tell_begin(void *arg, enum revive_kind k)
{
	(void)arg;
	revive_text_begin(k);
	(void)fflush(stdout);
}

static void tell_outcome(void *arg, const struct revive_outcome *o)
{
	(void)arg;
	revive_text_outcome(o);
	(void)fflush(stdout);
}

static void tell_keep(const struct revive_plan *p, const struct revive_report *t)
{
	char text[400];

	revive_keep_text(p, t, text, sizeof(text));
	if (text[0])
		report_note("%s", text);
}

/* @r: 0 it is back, 1 it is not; below 0 the error that ended it. */
static int tell_end(const struct arguments *a, const struct revive_plan *p,
	const struct revive_report *t, int r, struct err *e)
{
	bool refused = r == -EPERM && p->says.refusals;

	if (a->targets.json) {
		struct err why = {0};
		if (revive_json(p, t, &why) < 0)
			report(&why);
	} else {
		revive_text_end(p, t);
		report_problems(&p->says);
		tell_keep(p, t);
	}
	if (refused)
		return LEAVE_REFUSED;
	if (r == 1)
		revive_advise(p, t, e);
	if (r)
		report(e);
	if (t->late.code && r >= 0) {
		report(&t->late);
		return LEAVE_FAILED;
	}
	return r == 0                                            ? LEAVE_OK
	       : r == 1 && revive_is_withheld(p) && !t->is_other ? LEAVE_REFUSED
								 : LEAVE_FAILED;
}

static int revive_change(const struct arguments *a)
{
	const struct revive_listener text = {
		.planned = tell_plan, .begin = tell_begin, .hear = tell_outcome};
	struct revive_plan plan = {0};
	struct revive_report done = {0};
	struct err e = {0};

	change_begin();
	int r = revive_device(
		&a->env, &a->request, a->targets.json ? NULL : &text, &plan, &done, &e);
	int leave = tell_end(a, &plan, &done, r, &e);
	revive_plan_fini(&plan);
	return leave;
}

enum { TIMEOUT = 1, PORT, SNAPSHOT };

static int revive_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;
	const struct verb *v = a->targets.verb;

	switch (c) {
	case TIMEOUT:
		return targets_timeout(&a->env, v, text);
	case SNAPSHOT:
		a->snapshot = text;
		return 0;
	case PORT:
		a->port = text;
		return 0;
	default:
		return targets_option(&a->targets, c, text);
	}
}

/*
 * An address need not have a device any more. Any other word names one that is there, or that was
 * there when the snapshot was written.
 */
static int revive_operand(struct arguments *a, int count, char **words)
{
	struct revive_request *q = &a->request;
	struct word_devices found;
	struct host *h = a->env.host;

	if (q->before && count && word_find(h, words[0], &found, NULL) == -ENODEV)
		h = q->before;
	int r = targets_operands(&a->targets, h, count, words, 1);
	if (r)
		return r;
	q->function = a->targets.list[0];
	q->has_port = a->port != NULL;
	return a->port ? operand_one(a->targets.verb, a->env.host, a->port, &q->port) : 0;
}

static int revive_parse(const struct verb *v, int argc, char **argv, struct arguments *a)
{
	static const struct option takes[] = {
		{"port", required_argument, NULL, PORT},
		{"id", required_argument, NULL, TARGETS_ID},
		{"snapshot", required_argument, NULL, SNAPSHOT},
		{"allow", required_argument, NULL, TARGETS_ALLOW},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	int count;

	int r = options_take(&o, revive_option, a);
	if (r)
		return r;
	count = argc - optind;
	if (count > 1)
		return option_wrong(v, "one DEVICE is needed, not %d operands", count);
	if (a->targets.host && !a->targets.dry_run)
		return option_wrong(v, "--host needs --dry-run: a snapshot cannot be changed");
	r = option_host(a->targets.host, &a->env.host);
	if (!r && a->snapshot)
		r = option_host(a->snapshot, &a->request.before);
	if (r)
		return r;
	a->request.allow = a->targets.allow;
	a->request.allow_count = a->targets.allow_count;
	return revive_operand(a, count, argv + optind);
}

static int revive_run(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {
		.targets.verb = v,
		.env = bind_env_live(),
		.request.claims = CLAIMS_DIR,
	};

	a.env.timeout_ms = PATIENCE_MS;
	int r = revive_parse(v, argc, argv, &a);
	if (r) {
		host_close(a.env.host);
		return option_leave(r);
	}
	r = a.targets.dry_run ? show_plan(&a) : revive_change(&a);
	host_close(a.request.before);
	host_close(a.env.host);
	return r;
}

const struct verb verb_revive = {
	.name = "revive",
	.summary = "get a device back that does not answer or left the bus",
	.help = "revive DEVICE [OPTION…]\n"
		"\n"
		"Gets a device back that reads as all ones (stuck in D3cold), or that is gone.\n"
		"Takes one step after the other until the device answers: keep it awake, reset\n"
		"it, remove it and scan its bus, switch the power of its slot, train the link of\n"
		"its port again. Prints the result of each step, and puts back what it changed.\n"
		"Refuses a device that is in use. Leaves out the steps that touch other devices\n"
		"behind the port while one of these is in use. Does nothing to a device that\n"
		"answers.\n"
		"\n"
		"      --port DEVICE      the port that it was behind, if the host cannot tell\n"
		"      --id VVVV:DDDD     refuse a device with another id\n"
		"      --snapshot FILE    a snapshot of this host from when the device was there\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default:\n"
		"                         120; at least 150 for a reset)\n"
		"      --dry-run          print each step with its writes, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        plan on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Exit status: 0 the device answers; 1 it does not, or its state could not be put\n"
		"back; 2 wrong command line; 3 refused, or not back while steps were left out.\n"
		"\n"
		"Examples: a graphics card that a guest has left in D3cold. What would be done\n"
		"for a card that is gone, and was behind port 0000:00:01.0?\n"
		"\n"
		"  usher revive 0000:01:00.0\n"
		"  usher revive 0000:01:00.0 --port 0000:00:01.0 --dry-run\n",
	.run = revive_run,
};
