/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "bind/checks.h"
#include "check/check.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/findings.h"
#include "view/lookup.h"
#include "view/names.h"

#include <errno.h>
#include <stdio.h>

struct request {
	const char *file; /* a snapshot */
	bool json;
	bool all;
	bool numeric;
};

static int print_report(const struct request *q, struct host *h, const struct check_request *c,
	const struct check_report *report, struct err *e)
{
	struct names *names = q->numeric || q->json ? NULL : names_new();
	struct lookup_names nodes = {0};
	struct findings f = {.report = report,
		.names = names,
		.nodes = &nodes,
		.brief = !q->all && !c->address_count};

	int r = lookup_names_read(h, &nodes);
	if (r < 0)
		(void)err_set(e, r, "check this host");
	else
		r = q->json ? findings_json(&f, e) : findings_text(&f, e);
	lookup_names_fini(&nodes);
	names_free(names);
	return r;
}

/* A named device is asked for: anything but yes is an answer that a script has to see. */
static bool is_refused(const struct check_request *c, const struct check_report *report)
{
	if (check_report_count(report, CHECK_FAIL))
		return true;
	for (size_t i = 0; c->address_count && i < report->verdict_count; i++)
		if (report->verdicts[i].kind != CHECK_LENDABLE)
			return true;
	return false;
}

/* Return: LEAVE_*, -errno. */
static int check_host(
	const struct request *q, struct host *h, const struct check_request *c, struct err *e)
{
	struct check_report report;

	int r = check_run(h, c, &report, e);
	if (r == 0)
		r = print_report(q, h, c, &report, e);
	bool refused = is_refused(c, &report);
	check_report_fini(&report);
	if (r < 0)
		return r;
	return refused ? LEAVE_REFUSED : LEAVE_OK;
}

static int check_words(const struct verb *v, const struct request *q, int count, char **words)
{
	struct operands o;
	struct err e = {0};

	int r = operands_open(&o, v, q->file, count, words);
	if (r == 0) {
		const struct check_request c = {
			.addresses = o.addresses, .address_count = o.count, .all = q->all};
		r = check_host(q, o.host, &c, &e);
	}
	operands_close(&o);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : r;
}

/* The doctor's, and those by which the other verbs refuse: one vocabulary. */
static int list_checks(void)
{
	const struct bind_check *c;

	(void)puts("Checks of 'usher check':\n");
	findings_rules();
	(void)puts(
		"\nChecks before a device is lent or returned, by the name in brackets behind a\n"
		"refusal; whether --allow skips them:\n");
	for (size_t i = 0; (c = bind_check_at(i)); i++)
		(void)printf("%-11s  %-6s  %s\n", c->name, bind_lift_name(c->lift), c->about);
	return LEAVE_OK;
}

static int check_verb_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},
		{"numeric", no_argument, NULL, 'n'},
		{"list", no_argument, NULL, 'l'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {
		.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jan"};
	struct request q = {0};
	bool rules = false;
	int c;

	while ((c = option_next(&o)) > 0) {
		q.json = q.json || c == 'j';
		q.all = q.all || c == 'a';
		q.numeric = q.numeric || c == 'n';
		rules = rules || c == 'l';
		q.file = c == 'H' ? optarg : q.file;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (rules && (q.json || optind < argc))
		return option_wrong(v, "--list takes neither --json nor a device");
	if (rules)
		return list_checks();
	return check_words(v, &q, argc - optind, argv + optind);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "diagnose what prevents passthrough: evidence and fix",
	.help = "check [OPTION…] [DEVICE…]\n"
		"\n"
		"Says of each device that a person may want to lend (display, disk controller,\n"
		"network card, USB controller, ...) whether 'usher bind' would take it now:\n"
		"\n"
		"  can be lent        nothing uses it, and nothing uses its group\n"
		"  after N steps      what has to be done first: end a process, unmount a disk,\n"
		"                     turn the IOMMU on\n"
		"  cannot             why: the host needs it, or a device that shares its group\n"
		"  unknown            run as root: this user does not see all users\n"
		"\n"
		"Then come errors, warnings and notes about this host (firmware, kernel, boot\n"
		"loader, modules, permissions, other tools) and these devices. Every finding\n"
		"names the file or attribute that proves it, and the fix for this host. It\n"
		"changes nothing.\n"
		"\n"
		"For the devices that you name it checks more: what uses them, what shares their\n"
		"group and why, their resets, BARs, power and link.\n"
		"\n"
		"  -a, --all              also bridges and the chipset, and the evidence of notes\n"
		"  -n, --numeric          show ids instead of names\n"
		"  -j, --json             print a JSON document\n"
		"      --list             list all checks, and the names for --allow\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Exit status: 0 no errors, and each named device can be lent; 1 the check itself\n"
		"failed; 2 wrong command line; 3 errors, or a named device cannot be lent as it\n"
		"is.\n"
		"\n"
		"Examples: why does passthrough fail? Can this graphics card go to a guest?\n"
		"\n"
		"  usher check\n"
		"  usher check 0000:01:00.0\n",
	.run = check_verb_run,
};
