/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/device.h"
#include "view/hint.h"
#include "view/inventory.h"
#include "view/json.h"
#include "view/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct request {
	const char *file;
	bool json;
	bool numeric;
};

/* The facts, and the document that they go to. */
struct showing {
	struct host *host;
	struct inventory inventory;
	struct names *names;
	struct json *devices; /* NULL: text */
};

static int show_device(struct showing *w, const struct inventory_entry *x, struct err *e)
{
	struct device_facts *s = malloc(sizeof(*s));

	if (!s)
		return err_set(e, -ENOMEM, "show a device");
	int r = device_facts_read(w->host, &w->inventory, x, s, e);
	if (r == 0 && w->devices)
		device_json(json_push_map(w->devices), s, w->names);
	else if (r == 0)
		device_text(s, w->names);
	if (r == 0)
		device_facts_fini(s);
	free(s);
	return r;
}

static int show_addresses(const struct operands *o, struct showing *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->count; i++) {
		struct pci_address a = o->addresses[i];
		const struct inventory_entry *x = inventory_find(&w->inventory, a);
		if (!x) {
			char text[PCI_ADDRESS_TEXT];

			r = err_say(e, -ENODEV, "%s: there is no such PCI device",
				pci_address_format(a, text));
			hint_address(&w->inventory, a, e);
			return r;
		}
		inventory_look(&w->inventory, w->host, a);
		if (i && !w->devices)
			(void)putchar('\n');
		r = show_device(w, x, e);
	}
	return r;
}

static int show_json(const struct operands *o, struct showing *w, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new("show", &doc, e);
	if (r < 0)
		return r;
	w->devices = json_put_list(doc, "devices");
	r = show_addresses(o, w, e);
	if (r == 0)
		r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int show_devices(const struct request *q, const struct operands *o, struct err *e)
{
	struct showing w = {.host = o->host};

	int r = inventory_read(o->host, HOLD_EVERYTHING, &w.inventory, e);
	w.names = q->numeric ? NULL : names_new();
	if (r == 0)
		r = q->json ? show_json(o, &w, e) : show_addresses(o, &w, e);
	names_free(w.names);
	inventory_fini(&w.inventory);
	return r;
}

static int show_words(const struct verb *v, const struct request *q, int count, char **words)
{
	struct operands o;
	struct err e = {0};

	int r = operands_open(&o, v, q->file, count, words);
	if (r == 0)
		r = show_devices(q, &o, &e);
	operands_close(&o);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : r;
}

static int show_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"numeric", no_argument, NULL, 'n'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jn"};
	struct request q = {0};
	int c;

	while ((c = option_next(&o)) > 0) {
		q.json = q.json || c == 'j';
		q.numeric = q.numeric || c == 'n';
		q.file = c == 'H' ? optarg : q.file;
	}
	if (c != OPTION_END)
		return option_leave(c);
	if (optind == argc)
		return option_wrong(v, "no ADDRESS, INTERFACE or DISK given");
	return show_words(v, &q, argc - optind, argv + optind);
}

const struct verb verb_show = {
	.name = "show",
	.summary = "everything about a device: group, BARs, users, effect of bind",
	.help = "show [OPTION…] ADDRESS|INTERFACE|DISK…\n"
		"\n"
		"Shows what usher knows about a device: its identity, its IOMMU group and the\n"
		"other members, what uses it, its resets, BARs and capabilities, and what\n"
		"'usher bind' would do. Capabilities come from configuration space: only root\n"
		"sees all of them, and reading them wakes a sleeping device.\n"
		"\n"
		"  -n, --numeric    show ids instead of names\n"
		"  -j, --json       print a JSON document\n"
		"      --host FILE  read a snapshot of another host instead of this host\n"
		"\n"
		"Examples: a graphics card, and the controller of a disk.\n"
		"\n"
		"  usher show 0000:01:00.0\n"
		"  usher show nvme0n1\n",
	.run = show_run,
};
