/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/table.h"
#include "pci/device.h"
#include "pci/host.h"

#include <stdio.h>

static int print(struct host *h, struct err *e)
{
	static const struct table_column columns[] = {
		{"GROUP", TABLE_RIGHT},
		{"ADDRESS", TABLE_LEFT},
		{"ID", TABLE_LEFT},
		{"DRIVER", TABLE_LEFT},
	};
	cleanup_free struct pci_device *list = NULL;
	char text[32];
	struct table *t = NULL;
	size_t count = 0;

	int r = pci_device_list(h, &list, &count, e);
	if (r == 0)
		r = table_new(columns, COUNT(columns), &t, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct pci_device *d = &list[i];

		(void)table_row(t, NULL);
		(void)snprintf(text, sizeof(text), "%d", d->group);
		table_set(t, 0, d->group == PCI_GROUP_NONE ? "-" : text, TABLE_PLAIN);
		table_set(t, 1, pci_address_format(d->address, text), TABLE_PLAIN);
		(void)snprintf(text, sizeof(text), "%04x:%04x", d->vendor, d->device);
		table_set(t, 2, text, TABLE_PLAIN);
		table_set(t, 3, d->driver[0] ? d->driver : "-", TABLE_PLAIN);
	}
	r = table_print(t, e);
	table_free(t);
	return r;
}

static int run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {{"host", required_argument, NULL, 'H'}, {0}};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	const char *file = NULL;
	struct host *h;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0)
		file = optarg;
	if (c != OPTION_END)
		return option_leave(c);
	if (optind < argc)
		return option_wrong(v, "'%s' is one word too many", argv[optind]);
	int r = option_host(file, &h);
	if (r)
		return r;
	r = print(h, &e);
	host_close(h);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_list = {
	.name = "list",
	.summary = "the PCI devices of this host by IOMMU group, and who uses them",
	.help = "list [--host FILE]\n",
	.run = run,
};
