/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/column.h"
#include "view/filter.h"
#include "view/hint.h"
#include "view/listing.h"
#include "view/names.h"

#include <errno.h>
#include <stdlib.h>

enum form { FORM_TABLE, FORM_JSON, FORM_DOT, FORM_SVG };

struct request {
	struct filter filter;
	const char *file; /* a snapshot */
	enum tree_kind kind;
	enum form form;
	struct columns columns;
	bool chosen; /* columns were: show them even when there is nothing in them */
	bool numeric;
};

/* On standard error, what the table itself does not show. */
static void report_notes(const struct listing *l)
{
	const struct inventory *v = &l->inventory;

	if (l->tree.devices == 0)
		report_note("%s", v->count ? "no device matches" : "this host has no PCI devices");
	if (v->iommu != PCI_IOMMU_ON) {
		report_note("note: %s", l->iommu.msg);
		report_note("hint: %s", l->iommu.hint);
	}
	if (v->blind)
		report_note("note: not all processes could be looked at; root (CAP_SYS_PTRACE) "
			    "sees who uses what");
}

static unsigned request_parts(const struct request *q)
{
	switch (q->form) {
	case FORM_JSON:
		return LISTING_VFS | LISTING_NODES;
	case FORM_TABLE:
		return columns_parts(&q->columns) | LISTING_IOMMU;
	case FORM_DOT:
	case FORM_SVG:
		break;
	}
	return 0;
}

static int print_listing(const struct request *q, const struct listing *l, struct err *e)
{
	int r = 0;

	switch (q->form) {
	case FORM_JSON:
		return listing_json(l, e);
	case FORM_DOT:
		listing_dot(l);
		return 0;
	case FORM_SVG:
		return listing_svg(l, e);
	case FORM_TABLE:
		break;
	}
	if (l->tree.devices)
		r = listing_table(l, &q->columns, q->kind, !q->chosen, e);
	if (r == 0)
		report_notes(l);
	return r;
}

static int list_devices(const struct request *q, struct host *h, struct err *e)
{
	struct names *names = q->numeric ? NULL : names_new();
	struct listing l;

	int r = listing_read(h, &q->filter, q->kind, request_parts(q), names, &l, e);
	if (r == 0)
		r = print_listing(q, &l, e);
	listing_fini(&l);
	return r;
}

static int take_columns(const struct verb *v, struct request *q)
{
	char wrong[32];

	int r = columns_parse(&q->columns, optarg, wrong);
	if (r == -E2BIG)
		return option_wrong(v, "--output: more than %d columns", COLUMNS_MAX);
	if (r < 0)
		return option_wrong(v, "--output: there is no column '%s'", wrong);
	q->chosen = true;
	return 0;
}

static int take_group(const struct verb *v, struct filter *f)
{
	uint64_t n;

	if (num_parse(optarg, 10, INT32_MAX, &n) < 0)
		return option_wrong(v, "--group: '%s' is no number", optarg);
	f->group = (int)n;
	return 0;
}

static int take_option(const struct verb *v, int c, struct request *q)
{
	switch (c) {
	case 'j':
		q->form = FORM_JSON;
		return 0;
	case 'D':
		q->form = FORM_DOT;
		return 0;
	case 'S':
		q->form = FORM_SVG;
		return 0;
	case 'n':
		q->numeric = true;
		return 0;
	case 't':
		q->kind = TREE_BRIDGES;
		return 0;
	case 'l':
		q->kind = TREE_FLAT;
		return 0;
	case 'H':
		q->file = optarg;
		return 0;
	case 'd':
		q->filter.driver = optarg;
		return 0;
	case 'c':
		q->filter.class = optarg;
		return 0;
	case 'i':
		if (filter_parse_id(&q->filter, optarg) == 0)
			return 0;
		return option_wrong(v, "--id: '%s' is not of the form VVVV or VVVV:DDDD", optarg);
	case 'o':
		return take_columns(v, q);
	default:
		return take_group(v, &q->filter);
	}
}

/* The devices that the operands name: addresses, interfaces, disks. */
static int take_words(
	const struct verb *v, struct host *h, int count, char **words, struct pci_address *ret)
{
	struct err e = {0};

	for (int i = 0; i < count; i++) {
		if (lookup_device(h, words[i], &ret[i]) == 0)
			continue;
		(void)err_say(&e, -EINVAL, "%s: '%s' is no PCI address, interface or disk", v->name,
			words[i]);
		hint_word(h, words[i], &e);
		report(&e);
		return LEAVE_USAGE;
	}
	return 0;
}

static int list_words(const struct verb *v, struct request *q, int count, char **words)
{
	cleanup_free struct pci_address *addresses = calloc((size_t)count + 1, sizeof(*addresses));
	struct host *h = NULL;
	struct err e = {0};

	int r = option_host(q->file, &h);
	if (r == 0 && !addresses)
		r = LEAVE_FAILED;
	if (r == 0)
		r = take_words(v, h, count, words, addresses);
	q->filter.addresses = addresses;
	q->filter.address_count = (size_t)count;
	int x = r ? 0 : list_devices(q, h, &e);
	host_close(h);
	if (x < 0)
		report(&e);
	return x < 0 ? LEAVE_FAILED : r;
}

static int list_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"dot", no_argument, NULL, 'D'},
		{"svg", no_argument, NULL, 'S'},
		{"tree", no_argument, NULL, 't'},
		{"flat", no_argument, NULL, 'l'},
		{"numeric", no_argument, NULL, 'n'},
		{"host", required_argument, NULL, 'H'},
		{"driver", required_argument, NULL, 'd'},
		{"class", required_argument, NULL, 'c'},
		{"id", required_argument, NULL, 'i'},
		{"group", required_argument, NULL, 'g'},
		{"output", required_argument, NULL, 'o'},
		{0},
	};
	struct options o = {
		.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jntlo:"};
	struct request q = {
		.filter = FILTER_NONE, .kind = TREE_GROUPS, .columns = columns_default()};
	int c = OPTION_END, r = 0;

	while (r == 0 && (c = option_next(&o)) > 0)
		r = take_option(v, c, &q);
	if (r)
		return r;
	if (c != OPTION_END)
		return option_leave(c);
	if (q.form == FORM_JSON)
		q.kind = TREE_FLAT;
	else if (q.form != FORM_TABLE)
		q.kind = TREE_BRIDGES;
	return list_words(v, &q, argc - optind, argv + optind);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "the PCI devices of this host by IOMMU group, and who uses them",
	.help = "list [OPTION…] [ADDRESS|INTERFACE|DISK…]\n"
		"\n"
		"Every PCI device below its IOMMU group, which is the unit of lending, and a\n"
		"word on whether it could be lent now:\n"
		"\n"
		"  free     nobody uses it          free?   nobody was seen to; root sees all\n"
		"  ready    is on a VFIO driver     lent    is in somebody's hands\n"
		"  busy     somebody uses it        group   is free, a device in its group is not\n"
		"  bridge   stays with its driver   host    carries this host, is never lent\n"
		"  -        there is no IOMMU\n"
		"\n"
		"Needs no root and no IOMMU, and wakes no device.\n"
		"\n"
		"  -t, --tree        by topology: ports and bridges above what is behind them\n"
		"  -l, --flat        a row a device, without headings\n"
		"  -o, --output COLUMNS\n"
		"                    these columns, with a comma between two; +COLUMNS adds some:\n"
		"                    address group class device id subsystem revision driver numa\n"
		"                    reset sriov name above state used-by\n"
		"  -n, --numeric     ids instead of names\n"
		"  -j, --json        a JSON document\n"
		"      --dot         a picture of the topology for Graphviz\n"
		"      --svg         a picture of the topology, groups as boxes\n"
		"      --host FILE   a snapshot of another host instead of this one\n"
		"\n"
		"Only some devices, those that match all of these and are named by an operand:\n"
		"\n"
		"      --driver NAME     on this driver; - for those on none\n"
		"      --class CLASS     by name (ethernet), or by the start of its code (0200)\n"
		"      --id VVVV[:DDDD]  of this vendor, and device\n"
		"      --group N         in this IOMMU group\n"
		"\n"
		"Examples: which network controllers could be lent? Whose is the disk that / is\n"
		"on?\n"
		"\n"
		"  usher list --class ethernet\n"
		"  usher list -o +group,name nvme0n1\n",
	.run = list_run,
};
