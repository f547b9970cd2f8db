/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "host/host.h"
#include "view/claims.h"

enum { JSON = 1, HOST };

static int claims_parse(const struct verb *v, int argc, char **argv, const char **host, bool *json)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, JSON},
		{"host", required_argument, NULL, HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	int c;

	while ((c = option_next(&o)) > 0) {
		if (c == JSON)
			*json = true;
		else
			*host = optarg;
	}
	if (c != OPTION_END)
		return c;
	return optind < argc ? option_wrong(v, "unexpected operand '%s'", argv[optind]) : 0;
}

static int claims_run(const struct verb *v, int argc, char **argv)
{
	const char *file = NULL;
	struct host *h = NULL;
	struct claims c;
	struct err e = {0};
	bool json = false;

	int r = claims_parse(v, argc, argv, &file, &json);
	if (r)
		return r < 0 ? option_leave(r) : r;
	r = option_host(file, &h);
	if (r)
		return r;
	r = claims_read(h, &c, &e);
	if (r == 0)
		r = json ? claims_json(&c, &e) : claims_text(&c, &e);
	if (r < 0)
		report(&e);
	claims_fini(&c);
	host_close(h);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_claims = {
	.name = "claims",
	.summary = "list claimed devices and where they are now",
	.help = "claims [OPTION…]\n"
		"\n"
		"Lists the claims in /etc/usher/claims.d, each with its state: 'at ADDRESS',\n"
		"'moved: it is now at ADDRESS', 'missing', 'other device there', or the error in\n"
		"the claim's file.\n"
		"\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher claims\n",
	.run = claims_run,
};
