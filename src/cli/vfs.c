/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "vfs/plan.h"
#include "view/plan.h"
#include "view/vfs.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT_MAX 65535 /* TotalVFs has 16 bits */

struct arguments {
	struct targets targets; /* one */
	struct vfs_request request;
	struct bind_env env;
	bool has_count;
};

static int print_plan(const struct arguments *a, const struct vfs_plan *plan, struct err *e)
{
	cleanup_free struct bind_step *steps = NULL;
	size_t count = 0;

	if (a->has_count && !plan->says.refusals) {
		int r = vfs_steps(&a->env, &a->request, plan, &steps, &count);
		if (r < 0)
			return r;
	}
	if (a->targets.json)
		return vfs_json(plan, a->has_count ? &a->request : NULL, a->targets.dry_run, steps,
			count, e);
	if (plan->total)
		vfs_text(plan);
	plan_text_steps(stdout, steps, count);
	report_problems(&plan->says);
	return 0;
}

/* Shows the existing functions, or the plan. */
static int show_plan(const struct arguments *a)
{
	struct vfs_plan plan = VFS_PLAN_NONE;
	struct err e = {0};

	int r = vfs_plan(&a->env, &a->request, &plan, &e);
	if (r == 0)
		r = print_plan(a, &plan, &e);
	int leave = report_outcome(r, r == 0 && plan.says.refusals, &e);
	vfs_plan_fini(&plan);
	return leave;
}

static int vfs_change(const struct arguments *a)
{
	struct vfs_plan plan = VFS_PLAN_NONE;
	struct err e = {0}, why = {0};

	change_begin();
	int r = vfs_set(&a->env, &a->request, &plan, &e);
	bool refused = r < 0 && plan.says.refusals;
	if (a->targets.json && (r == 0 || refused)) {
		if (vfs_json(&plan, &a->request, false, NULL, 0, &why) < 0)
			report(&why);
	} else if (r == 0 || refused) {
		if (r == 0)
			vfs_text(&plan);
		report_problems(&plan.says);
	}
	vfs_plan_fini(&plan);
	return report_outcome(r, refused, &e);
}

enum { TIMEOUT = 1 };

static int vfs_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c == TIMEOUT)
		return targets_timeout(&a->env, a->targets.verb, text);
	return targets_option(&a->targets, c, text);
}

static int parse_operands(const struct verb *v, int count, char **words, struct arguments *a)
{
	uint64_t n = 0;

	if (count > 2)
		return option_wrong(
			v, "one DEVICE and one COUNT are needed, not %d operands", count);
	if (count == 2) {
		if (num_parse(words[1], 10, COUNT_MAX, &n) < 0)
			return option_wrong(
				v, "'%s' is not a number of virtual functions", words[1]);
		a->has_count = true;
		a->request.count = (unsigned)n;
		count = 1;
	}
	int r = option_host(a->targets.host, &a->env.host);
	if (r == 0)
		r = targets_operands(&a->targets, a->env.host, count, words, 1);
	a->request.function = a->targets.list[0];
	return r;
}

static int vfs_parse(const struct verb *v, int argc, char **argv, struct arguments *a)
{
	static const struct option takes[] = {
		{"id", required_argument, NULL, TARGETS_ID},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, vfs_option, a);
	if (r)
		return r;
	r = parse_operands(v, argc - optind, argv + optind, a);
	if (r == 0 && a->targets.host && a->has_count && !a->targets.dry_run)
		return option_wrong(v, "--host needs --dry-run: a snapshot cannot be changed");
	return r;
}

static int vfs_run(const struct verb *v, int argc, char **argv)
{
	struct arguments a = {
		.targets.verb = v,
		.env = bind_env_live(),
		.request.count = VFS_AS_IT_IS,
	};

	int r = vfs_parse(v, argc, argv, &a);
	if (r) {
		host_close(a.env.host);
		return option_leave(r);
	}
	r = a.has_count && !a.targets.dry_run ? vfs_change(&a) : show_plan(&a);
	host_close(a.env.host);
	return r;
}

const struct verb verb_vfs = {
	.name = "vfs",
	.summary = "create or remove the virtual functions of a device (SR-IOV)",
	.help = "vfs DEVICE [COUNT] [OPTION…]\n"
		"\n"
		"Sets the number of virtual functions of a device to COUNT; 0 removes them. Each\n"
		"can be bound on its own. No host driver probes them. The kernel removes all\n"
		"existing functions before it creates another number, so usher refuses while one\n"
		"of them is in use, bound by usher or on a VFIO driver. Without COUNT, prints the\n"
		"functions that exist.\n"
		"\n"
		"      --id VVVV:DDDD     refuse a device with another id\n"
		"      --timeout SECONDS  give up on a kernel write after this time (default: 30)\n"
		"      --dry-run          print each write, in order, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        read a snapshot of a host (with --dry-run, or without\n"
		"                         COUNT)\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher vfs 0000:01:00.0 2\n",
	.run = vfs_run,
};
