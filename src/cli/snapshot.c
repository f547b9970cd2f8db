/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/option.h"
#include "cli/record.h"
#include "cli/report.h"
#include "host/host.h"
#include "pci/device.h"

#include <stdlib.h>

/* A snapshot without a PCI device can say why there is none, but is seldom what was wanted. */
static void tell_devices(struct host *h)
{
	struct pci_device *list = NULL;
	size_t count = 0;

	if (pci_device_list(h, &list, &count, NULL) < 0 || count == 0)
		report_note(
			"note: usher sees no PCI device on this host, so the snapshot has none");
	free(list);
}

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
			v, argc == optind ? "no FILE given" : "only one FILE can be given");
	const char *to = argv[optind];
	int r = option_host(file, &h);
	if (r)
		return r;
	r = record_write(h, secrecy, to, &e);
	if (r == 0)
		tell_devices(h);
	host_close(h);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.summary = "write everything that usher reads of this host into one file",
	.help = "snapshot [OPTION…] FILE\n"
		"\n"
		"Writes everything that list, show and the other read-only verbs read of this\n"
		"host into FILE (- for standard output). On another machine,\n"
		"'usher VERB --host FILE' then prints what it would print here: for a bug report,\n"
		"or for a test. Run it as root, who can read the most.\n"
		"\n"
		"FILE is plain text. Serial numbers, MAC addresses, UUIDs, user names and unknown\n"
		"words of the kernel command line are replaced by pseudonyms; equal values stay\n"
		"equal. Process names, IP addresses and mount points remain: read FILE before you\n"
		"share it.\n"
		"\n"
		"FILE is not written through a symbolic link of another user.\n"
		"\n"
		"      --exact            replace nothing; make FILE readable by its owner only\n"
		"      --host FILE        read another snapshot instead of this host\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher snapshot report.host\n",
	.run = snapshot_run,
};
