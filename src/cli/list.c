/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/column.h"
#include "view/filter.h"
#include "view/listing.h"
#include "view/names.h"

#include <errno.h>
#include <stdlib.h>

enum form { FORM_TABLE, FORM_JSON, FORM_DOT, FORM_SVG };

struct request {
	const struct verb *verb;
	struct filter filter;
	const char *file; /* a snapshot */
	enum tree_kind kind;
	enum form form;
	struct columns columns;
	bool chosen; /* --output was given: show empty columns as well */
	bool numeric;
};

/* Writes to standard error what the table does not show. */
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
		report_note("note: some processes could not be inspected; "
			    "as root (CAP_SYS_PTRACE) usher sees all users");
	if (v->unlooked)
		report_note("note: a listing does not look into other network namespaces; "
			    "usher show does");
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

static int take_columns(struct request *q, const char *text)
{
	char wrong[32];

	int r = columns_parse(&q->columns, text, wrong);
	if (r == -E2BIG)
		return option_wrong(
			q->verb, "--output: at most %d columns can be shown", COLUMNS_MAX);
	if (r < 0)
		return option_wrong(q->verb, "--output: unknown column '%s'", wrong);
	q->chosen = true;
	return 0;
}

static int take_group(struct request *q, const char *text)
{
	uint64_t n;

	if (num_parse(text, 10, INT32_MAX, &n) < 0)
		return option_wrong(q->verb, "--group: '%s' is not a number", text);
	q->filter.group = (int)n;
	return 0;
}

static int take_form(struct request *q, enum form form)
{
	if (q->form != FORM_TABLE && q->form != form)
		return option_wrong(q->verb, "only one of --json, --dot and --svg can be given");
	q->form = form;
	return 0;
}

static int list_option(void *arg, int c, const char *text)
{
	struct request *q = arg;

	switch (c) {
	case 'j':
		return take_form(q, FORM_JSON);
	case 'D':
		return take_form(q, FORM_DOT);
	case 'S':
		return take_form(q, FORM_SVG);
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
		q->file = text;
		return 0;
	case 'd':
		q->filter.driver = text;
		return 0;
	case 'c':
		q->filter.class = text;
		return 0;
	case 'i':
		if (filter_parse_id(&q->filter, text) == 0)
			return 0;
		return option_wrong(
			q->verb, "--id: '%s' is not an id like 10de or 10de:2484", text);
	case 'o':
		return take_columns(q, text);
	default:
		return take_group(q, text);
	}
}

static int list_words(const struct verb *v, struct request *q, int count, char **words)
{
	struct operands o;
	struct err e = {0};

	int r = operands_open(&o, v, q->file, count, words);
	q->filter.addresses = o.addresses;
	q->filter.address_count = o.count;
	if (r == 0)
		r = list_devices(q, o.host, &e);
	operands_close(&o);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : r;
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
	struct request q = {.verb = v,
		.filter = FILTER_NONE,
		.kind = TREE_GROUPS,
		.columns = columns_default()};

	int r = options_take(&o, list_option, &q);
	if (r)
		return option_leave(r);
	if (q.chosen && q.form != FORM_TABLE)
		return option_wrong(v, "--output is for the table: %s has all columns, or none",
			q.form == FORM_JSON ? "--json" : "a picture");
	if (q.form == FORM_JSON)
		q.kind = TREE_FLAT;
	else if (q.form != FORM_TABLE)
		q.kind = TREE_BRIDGES;
	return list_words(v, &q, argc - optind, argv + optind);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "PCI devices by IOMMU group, and what uses them",
	.help = "list [OPTION…] [DEVICE…]\n"
		"\n"
		"Lists every PCI device below its IOMMU group, which usher binds as a whole. The\n"
		"STATE column says whether the device can be lent now:\n"
		"\n"
		"  free     not in use              free?   no use found, but not all seen\n"
		"  ready    on a VFIO driver        lent    a guest or a program has it open\n"
		"  busy     in use by the host      group   free, but another device of its\n"
		"                                           group is not\n"
		"  bridge   stays with its driver   host    needed by this host, never lent\n"
		"  dead     does not answer         -       there is no IOMMU\n"
		"\n"
		"Needs neither root nor an IOMMU. Wakes no sleeping device.\n"
		"\n"
		"  -t, --tree             show the topology: each device below its port or bridge\n"
		"  -l, --flat             print one row per device, without headings\n"
		"  -o, --output COLUMNS   show these columns, separated by commas; +COLUMNS adds\n"
		"                         to the default: address group class device id subsystem\n"
		"                         revision driver numa reset sriov name above state\n"
		"                         used-by\n"
		"  -n, --numeric          show ids instead of names\n"
		"  -j, --json             print a JSON document\n"
		"      --dot              print the topology for Graphviz\n"
		"      --svg              print the topology as a picture, with groups as boxes\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Show only the devices that match every one of these options and are among the\n"
		"operands, if there are any:\n"
		"\n"
		"      --driver NAME      bound to this driver; - matches devices without one\n"
		"      --class CLASS      of this class: a part of its name (ethernet), or the\n"
		"                         first digits of its code (0200)\n"
		"      --id VVVV[:DDDD]   of this vendor, or of this vendor and device\n"
		"      --group N          in this IOMMU group\n"
		"\n"
		"Examples: which network controllers can be lent? Which controller has the disk\n"
		"nvme0n1?\n"
		"\n"
		"  usher list --class ethernet\n"
		"  usher list -o +group,name nvme0n1\n",
	.run = list_run,
};
