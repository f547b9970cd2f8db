/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "bind/env.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/service.h"
#include "cli/stopping.h"
#include "cli/verb.h"
#include "control/request.h"
#include "lease/borrow.h"
#include "lease/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static int lease_revoke(const struct stop_words *w, const char *name)
{
	char request[96];
	struct err e = {0};

	(void)snprintf(request, sizeof(request), "{\"command\":\"stop\",\"timeout\":%" PRIu64 "}\n",
		w->force ? 0 : w->timeout_s);
	int r = geteuid() == 0 ? borrow_end(BIND_STATE_DIR, name, request,
					 (int)w->timeout_s * 1000 + BORROW_END_MS, &e)
			       : service_revoke(name, w->force, w->timeout_s, &e);
	if (r < 0)
		report(&e);
	else if (!w->quiet)
		report_note("lease '%s' has ended, and its devices are back", name);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

static int revoke_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"force", no_argument, NULL, STOP_FORCE},
		{"timeout", required_argument, NULL, STOP_TIMEOUT},
		{"quiet", no_argument, NULL, STOP_QUIET},
		{0},
	};
	struct stop_words w = {.verb = v, .timeout_s = LEASE_TIMEOUT_S};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int r = options_take(&o, stop_option, &w);
	if (r)
		return option_leave(r);
	if (optind >= argc)
		return option_wrong(v, "no LEASE given; 'usher leases' lists them");
	if (optind + 1 < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 1]);
	return lease_revoke(&w, argv[optind]);
}

const struct verb verb_revoke = {
	.name = "revoke",
	.summary = "end a lease, and wait for its devices",
	.help = "revoke [OPTION…] LEASE\n"
		"\n"
		"Asks the borrower's driver to let go (VFIO's request interrupt). After the\n"
		"timeout, ends every process of the borrower that still has a device open, resets\n"
		"the devices, and gives them back. A process of another user is not ended, but\n"
		"named: then the device stays on its VFIO driver, and the IOMMU holds it.\n"
		"\n"
		"      --force            end the borrower's processes at once\n"
		"      --timeout SECONDS  how long the borrower may take (default: 10)\n"
		"      --quiet            print errors only\n"
		"\n"
		"Exit status: 0 the devices are back; 1 there is no such lease, or a device is\n"
		"not back; 2 wrong command line.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher revoke --timeout 30 tests\n",
	.run = revoke_run,
};
