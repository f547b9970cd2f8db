/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/option.h"
#include "cli/record.h"
#include "cli/report.h"
#include "host/host.h"

static int snapshot_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"exact", no_argument, NULL, 'x'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	enum record_secrecy secrecy = RECORD_REDACTED;
	const char *file = NULL;
	struct host *h = NULL;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0) {
		if (c == 'x')
			secrecy = RECORD_EXACT;
		else
			file = optarg;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (argc - optind != 1)
		return option_wrong(
			v, argc == optind ? "where to? A FILE is missing" : "one FILE is enough");
	const char *to = argv[optind];
	int r = option_host(file, &h);
	if (r)
		return r;
	r = record_write(h, secrecy, to, &e);
	host_close(h);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.summary = "write all that the read verbs read of this host into one file",
	.help = "snapshot [OPTION…] FILE\n"
		"\n"
		"Writes what list, show and the other read verbs read of this host into FILE (-:\n"
		"standard output), so that 'usher VERB --host FILE' tells elsewhere what it\n"
		"would tell here: for a report, or for a test. Root sees most.\n"
		"\n"
		"FILE is plain text. Serial numbers, MAC addresses, UUIDs, users' names and\n"
		"unknown words of the kernel's command line are replaced; what was equal stays\n"
		"equal. Names of processes, IP addresses and mount points stay: look it through\n"
		"before you give it away.\n"
		"\n"
		"  --exact          replace none of these; only its owner can read FILE then\n"
		"  --host FILE      of another snapshot instead of this host\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher snapshot report.host\n",
	.run = snapshot_run,
};
