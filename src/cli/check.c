/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "check/check.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/findings.h"

#include <errno.h>

struct request {
	const char *file; /* a snapshot */
	bool json;
};

/* Return: LEAVE_*, -errno. */
static int check_host(
	const struct request *q, struct host *h, const struct check_request *c, struct err *e)
{
	struct check_report report;

	int r = check_run(h, c, &report, e);
	if (r == 0 && q->json)
		r = findings_json(&report, e);
	else if (r == 0)
		findings_text(&report);
	if (r == 0)
		r = check_report_count(&report, CHECK_FAIL) ? LEAVE_REFUSED : LEAVE_OK;
	check_report_fini(&report);
	return r;
}

static int check_words(const struct verb *v, const struct request *q, int count, char **words)
{
	struct operands o;
	struct err e = {0};

	int r = operands_open(&o, v, q->file, count, words);
	if (r == 0) {
		const struct check_request c = {.addresses = o.addresses, .address_count = o.count};
		r = check_host(q, o.host, &c, &e);
	}
	operands_close(&o);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : r;
}

static int check_verb_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"list", no_argument, NULL, 'l'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "j"};
	struct request q = {0};
	bool rules = false;
	int c;

	while ((c = option_next(&o)) > 0) {
		q.json = q.json || c == 'j';
		rules = rules || c == 'l';
		q.file = c == 'H' ? optarg : q.file;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (rules) {
		findings_rules();
		return LEAVE_OK;
	}
	return check_words(v, &q, argc - optind, argv + optind);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "diagnose what prevents passthrough: evidence and fix",
	.help = "check [OPTION…] [DEVICE…]\n"
		"\n"
		"Checks this host (firmware, kernel, boot loader, modules, permissions, other\n"
		"tools) and each device. Every finding names the file or attribute that proves\n"
		"it, and the fix for this host. It changes nothing.\n"
		"\n"
		"Without an operand it checks the host, and each device for problems that do not\n"
		"depend on its user. For the devices that you name, it also checks whether they\n"
		"can be lent now, what uses them and what shares their group.\n"
		"\n"
		"  -j, --json             print a JSON document\n"
		"      --list             list all checks with their ids\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Exit status: 0 no errors (there may be warnings), 1 the check itself failed, 2\n"
		"wrong command line, 3 errors: this host or a named device cannot be used for\n"
		"passthrough.\n"
		"\n"
		"Examples: why does passthrough fail? Can this graphics card go to a guest?\n"
		"\n"
		"  usher check\n"
		"  usher check 0000:01:00.0\n",
	.run = check_verb_run,
};
