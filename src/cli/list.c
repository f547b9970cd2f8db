/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/column.h"
#include "view/describe.h"
#include "view/filter.h"
#include "view/hint.h"
#include "view/inventory.h"
#include "view/json.h"
#include "view/names.h"
#include "view/picture.h"
#include "view/table.h"
#include "view/tree.h"
#include "view/wrap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* What there is to show. */
struct listing {
	struct host *host;
	struct names *names;
	struct inventory inventory;
	struct tree tree;
};

static enum table_colour colour_of(enum inventory_state s)
{
	switch (s) {
	case INVENTORY_FREE:
	case INVENTORY_READY:
		return TABLE_GOOD;
	case INVENTORY_BUSY:
	case INVENTORY_LENT:
	case INVENTORY_GROUP:
		return TABLE_BAD;
	case INVENTORY_BRIDGE:
	case INVENTORY_HOST:
	case INVENTORY_NO_IOMMU:
		return TABLE_DIM;
	case INVENTORY_MAYBE:
		break;
	}
	return TABLE_PLAIN;
}

/* Whether a column says nothing of any device. */
static bool is_empty(const struct column *c, const struct column_view *v, const struct tree *t)
{
	char text[COLUMN_TEXT];

	for (size_t i = 0; i < t->count; i++) {
		if (!t->list[i].entry)
			continue;
		c->fill(v, t->list[i].entry, text, sizeof(text));
		if (strcmp(text, "-") != 0)
			return false;
	}
	return true;
}

/* Not every host has nodes or virtual functions, and a table is narrow. */
static void drop_empty(struct columns *c, const struct column_view *v, const struct tree *t)
{
	static const char *const optional[] = {"numa", "reset", "sriov"};

	for (size_t i = 0; i < c->count;) {
		const struct column *one = c->list[i++];

		for (size_t k = 0; k < COUNT(optional); k++)
			if (strcmp(one->name, optional[k]) == 0 && is_empty(one, v, t)) {
				columns_drop(c, one->name);
				i--;
			}
	}
}

#define NARROW 120 /* [columns] */

/* What a narrow terminal has no room for, and `usher show` tells. Names would be cut to nothing. */
static void drop_wide(struct columns *c)
{
	static const char *const wide[] = {"device", "numa", "reset", "sriov"};
	unsigned width = wrap_width();

	for (size_t i = 0; width && width < NARROW && i < COUNT(wide); i++)
		columns_drop(c, wide[i]);
}

static void print_row(struct table *t, const struct columns *c, const struct column_view *v,
	const struct tree_node *n)
{
	char text[COLUMN_TEXT];

	if (!n->entry) {
		table_set(t, 0, n->heading, TABLE_BOLD);
		return;
	}
	for (size_t i = 0; i < c->count; i++) {
		enum table_colour colour = TABLE_PLAIN;

		if (strcmp(c->list[i]->name, "state") == 0)
			colour = colour_of(n->entry->state);
		c->list[i]->fill(v, n->entry, text, sizeof(text));
		table_set(t, i, text, colour);
	}
}

static int fill_table(struct table *t, const struct columns *c, const struct column_view *v,
	const struct tree *tree, enum tree_kind kind)
{
	void **rows = calloc(tree->count + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < tree->count; i++) {
		const struct tree_node *n = &tree->list[i];

		rows[i] = table_row(
			t, kind == TREE_FLAT || n->parent == TREE_TOP ? NULL : rows[n->parent]);
		print_row(t, c, v, n);
	}
	free(rows);
	return 0;
}

static int print_table(const struct request *q, const struct listing *l, struct err *e)
{
	struct column_view view = {.host = l->host, .names = l->names};
	struct table_column heads[COLUMNS_MAX];
	char text[COLUMNS_MAX][24];
	struct columns c = q->columns;
	struct lookup_names store = {0};
	struct table *t = NULL;

	int r = columns_read(&c, &view, &store);
	if (r < 0)
		r = err_set(e, r, "list PCI devices");
	if (!q->chosen) {
		drop_empty(&c, &view, &l->tree);
		drop_wide(&c);
	}
	for (size_t i = 0; i < c.count; i++) {
		column_heading(c.list[i], text[i], sizeof(text[i]));
		heads[i] = (struct table_column){text[i], c.list[i]->how & ~TABLE_TREE};
	}
	/* The tree's lines are drawn in the first column, whichever that is. */
	if (q->kind != TREE_FLAT)
		heads[0].how |= TABLE_TREE;
	if (r == 0)
		r = table_new(heads, c.count, &t, e);
	if (r == 0 && fill_table(t, &c, &view, &l->tree, q->kind) < 0)
		r = err_set(e, -ENOMEM, "list PCI devices");
	if (r == 0)
		r = table_print(t, e);
	table_free(t);
	lookup_names_fini(&store);
	return r;
}

static void put_vfs(struct json *map, struct host *h, struct pci_address a)
{
	struct pci_vfs f = pci_vfs_read(h, a);
	char text[PCI_ADDRESS_TEXT];

	if (!f.total && !f.is_virtual) {
		json_put_null(map, "sriov");
		return;
	}
	struct json *one = json_put_map(map, "sriov");
	json_put_text(one, "physical_function",
		f.is_virtual ? pci_address_format(f.physical, text) : NULL);
	json_put_number(one, "virtual_functions", f.active);
	json_put_number(one, "virtual_functions_max", f.total);
}

static void put_names(struct json *map, const struct lookup_names *names, struct pci_address a)
{
	struct json *list = json_put_list(map, "names");

	for (size_t i = lookup_names_find(names, a);
		i < names->count && pci_address_equal(names->list[i].address, a); i++)
		json_push_text(list, names->list[i].name);
}

static int print_json(const struct listing *l, struct err *e)
{
	static const char *const states[] = {
		[PCI_IOMMU_ON] = "on",
		[PCI_IOMMU_KERNEL] = "off_in_kernel",
		[PCI_IOMMU_FIRMWARE] = "off_in_firmware",
	};
	struct lookup_names names = {0};
	struct json *doc = NULL;
	char text[PCI_ADDRESS_TEXT];

	int r = lookup_names_read(l->host, &names) < 0 ? err_set(e, -ENOMEM, "list PCI devices")
						       : json_new(1, &doc, e);
	if (r == 0) {
		json_put_text(doc, "iommu", states[l->inventory.iommu]);
		json_put_flag(doc, "complete", !l->inventory.blind);
		struct json *devices = json_put_list(doc, "devices");
		for (size_t i = 0; i < l->tree.count; i++) {
			const struct inventory_entry *x = l->tree.list[i].entry;
			struct json *one = json_push_map(devices);

			describe_put(one, x, l->names);
			json_put_text(one, "above",
				x->device.has_parent ? pci_address_format(x->device.parent, text)
						     : NULL);
			put_vfs(one, l->host, x->device.address);
			put_names(one, &names, x->device.address);
		}
		r = json_print(doc, e);
	}
	json_free(doc);
	lookup_names_fini(&names);
	return r;
}

/* What the table alone does not say. */
static void print_notes(const struct listing *l)
{
	const struct inventory *v = &l->inventory;
	struct err e = {0};

	if (l->tree.devices == 0)
		report_note("%s", v->count ? "no device matches" : "this host has no PCI devices");
	if (v->iommu != PCI_IOMMU_ON) {
		pci_iommu_explain(l->host, v->iommu, &e);
		report_note("note: %s", e.msg);
		report_note("hint: %s", e.hint);
	}
	if (v->blind)
		report_note("note: not all processes could be looked at; root (CAP_SYS_PTRACE) "
			    "sees who uses what");
}

static int print(const struct request *q, const struct listing *l, struct err *e)
{
	struct column_view view = {.host = l->host, .names = l->names};

	switch (q->form) {
	case FORM_JSON:
		return print_json(l, e);
	case FORM_DOT:
		picture_dot(&l->tree, &view);
		return 0;
	case FORM_SVG:
		return picture_svg(&l->tree, &view, e);
	case FORM_TABLE:
		break;
	}
	int r = l->tree.devices ? print_table(q, l, e) : 0;
	if (r == 0)
		print_notes(l);
	return r;
}

static int list(const struct request *q, struct host *h, struct err *e)
{
	struct listing l = {.host = h, .names = q->numeric ? NULL : names_new()};

	int r = inventory_read(h, &l.inventory, e);
	if (r == 0 && tree_make(&l.inventory, &q->filter, q->kind, &l.tree) < 0)
		r = err_set(e, -ENOMEM, "list PCI devices");
	if (r == 0)
		r = print(q, &l, e);
	tree_fini(&l.tree);
	inventory_fini(&l.inventory);
	names_free(l.names);
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

static int run_on(const struct verb *v, struct request *q, int count, char **words)
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
	int x = r ? 0 : list(q, h, &e);
	host_close(h);
	if (x < 0)
		report(&e);
	return x < 0 ? LEAVE_FAILED : r;
}

static int run(const struct verb *v, int argc, char **argv)
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
	return run_on(v, &q, argc - optind, argv + optind);
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
	.run = run,
};
