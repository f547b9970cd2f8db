/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/resize.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "view/json.h"
#include "view/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	struct targets targets;
	struct bind_request request;
	struct bind_env env;
	uint8_t bar[PCI_BAR_COUNT]; /* of the one device */
	bool has_bar;
};

static int print_json(const struct arguments *a, const struct bind_plan *p,
	const struct bind_step *steps, size_t count, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new("bind", &doc, e);
	if (r < 0)
		return r;
	json_put_flag(doc, "dry_run", a->targets.dry_run);
	json_put_flag(doc, "refused", p->refusals != 0);
	plan_json(doc, p);
	plan_json_steps(doc, steps, count);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

/* A misspelt check name has no effect: warn, or the refusal is hard to understand. */
static void report_idle_allows(const struct arguments *a, const struct bind_plan *p)
{
	for (size_t i = 0; i < a->request.allow_count; i++) {
		size_t k = 0;
		while (k < p->problem_count &&
			strcmp(p->problems[k].check, a->request.allow[i]) != 0)
			k++;
		if (k == p->problem_count)
			report_note(
				"warning: --allow=%s has no effect: no check of that name refused",
				a->request.allow[i]);
	}
}

static int print_plan(const struct arguments *a, const struct bind_plan *plan, struct err *e)
{
	cleanup_free struct bind_step *steps = NULL;
	size_t count = 0;

	if (!plan->refusals) {
		int r = bind_plan_steps(&a->env, &a->request, plan, &steps, &count);
		if (r < 0)
			return r;
	}
	if (a->targets.json)
		return print_json(a, plan, steps, count, e);
	plan_text(stdout, plan);
	if (a->request.only)
		plan_text_viability(stdout, plan);
	plan_text_steps(stdout, steps, count);
	report_problems(plan);
	if (plan->refusals)
		report_idle_allows(a, plan);
	return 0;
}

static int dry_run(const struct arguments *a)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	int r = bind_plan(&a->env, &a->request, &plan, &e);
	if (r == 0)
		r = print_plan(a, &plan, &e);
	int leave = report_outcome(r, r == 0 && plan.refusals, &e);
	bind_plan_fini(&plan);
	return leave;
}

static int bind_group(const struct arguments *a)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	change_begin();
	int r = bind_take(&a->env, &a->request, &plan, &e);
	bool refused = r < 0 && plan.refusals;
	if (a->targets.json && (r == 0 || refused)) {
		struct err why = {0};
		if (print_json(a, &plan, NULL, 0, &why) < 0)
			report(&why);
	} else if (r == 0 || refused) {
		if (r == 0)
			plan_text(stdout, &plan);
		if (r == 0 && a->request.only)
			plan_text_viability(stdout, &plan);
		report_problems(&plan);
		if (refused)
			report_idle_allows(a, &plan);
	}
	bind_plan_fini(&plan);
	return report_outcome(r, refused, &e);
}

/* Parses "1=8G": the new size of BAR 1. */
static int parse_bar(struct arguments *a, const char *text)
{
	uint64_t bytes = 0;
	uint8_t code = 0;

	if (text[0] >= '0' && text[0] < '0' + PCI_BAR_COUNT && text[1] == '=' &&
		num_parse_size(text + 2, &bytes) == 0)
		code = bind_resize_code(bytes);
	if (!code)
		return option_wrong(a->targets.verb,
			"--bar: '%s' is not N=SIZE, with N from 0 to 5 and SIZE a power of two "
			"like 256M or 8G",
			text);
	a->bar[text[0] - '0'] = code;
	a->has_bar = true;
	return 0;
}

enum { DRIVER = 1, ONLY, BAR, TIMEOUT };

static int bind_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	switch (c) {
	case DRIVER:
		a->request.driver = text;
		return 0;
	case ONLY:
		a->request.only = true;
		return 0;
	case BAR:
		return parse_bar(a, text);
	case TIMEOUT:
		return targets_timeout(&a->env, a->targets.verb, text);
	default:
		return targets_option(&a->targets, c, text);
	}
}

static int bind_parse(const struct verb *v, int argc, char **argv, struct arguments *a)
{
	static const struct option takes[] = {
		{"id", required_argument, NULL, TARGETS_ID},
		{"driver", required_argument, NULL, DRIVER},
		{"allow", required_argument, NULL, TARGETS_ALLOW},
		{"only", no_argument, NULL, ONLY},
		{"user", required_argument, NULL, TARGETS_USER},
		{"user-group", required_argument, NULL, TARGETS_USER_GROUP},
		{"bar", required_argument, NULL, BAR},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, bind_option, a);
	if (r)
		return r;
	r = targets_access(&a->targets, &a->request.access);
	if (r == 0)
		r = targets_open(&a->targets, &a->env.host, argc - optind, argv + optind, 1);
	if (r == 0 && a->has_bar && a->targets.count > 1)
		return option_wrong(v, "--bar needs exactly one device, not %zu", a->targets.count);
	memcpy(a->targets.list[0].bar, a->bar, sizeof(a->bar));
	return r;
}

static int bind_run(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {
		.targets.verb = v,
		.request = {.access = BIND_ACCESS_NONE},
		.env = bind_env_live(),
	};

	int r = bind_parse(v, argc, argv, &a);
	if (r)
		return option_leave(r);
	a.request.targets = a.targets.list;
	a.request.target_count = a.targets.count;
	a.request.allow = a.targets.allow;
	a.request.allow_count = a.targets.allow_count;
	r = a.targets.dry_run ? dry_run(&a) : bind_group(&a);
	host_close(a.env.host);
	return r;
}

const struct verb verb_bind = {
	.name = "bind",
	.summary = "bind devices, with their IOMMU groups, to VFIO",
	.help = "bind DEVICE… [OPTION…]\n"
		"\n"
		"Unbinds every device in the IOMMU groups of the named devices from its driver\n"
		"and binds it to vfio-pci, or to the VFIO variant driver that fits it better. PCI\n"
		"bridges keep their driver. Refuses, with all reasons, if a device is in use.\n"
		"'usher release' restores the original drivers.\n"
		"\n"
		"      --id VVVV:DDDD     refuse a device with another id; once for each device\n"
		"      --driver NAME      bind the named devices to this VFIO driver\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --only             bind no other device of the group; refuse if the group\n"
		"                         would not be viable\n"
		"      --user NAME        give the /dev/vfio nodes to this user until the release\n"
		"      --user-group NAME  let this group open them as well\n"
		"      --bar N=SIZE       resize BAR N until the release: 1=8G\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default: 30)\n"
		"      --dry-run          print each write, in order, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        plan on a snapshot of a host (with --dry-run)\n"
		"\n"
		"Example: bind a graphics card for user alice, if it is still at that address.\n"
		"\n"
		"  usher bind 0000:03:00.0 --id 10de:2484 --user alice\n",
	.run = bind_run,
};
