/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "cli/describe.h"
#include "cli/inventory.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/table.h"
#include "pci/class.h"
#include "pci/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANY_ID 0x10000

/* What the command line asks for; a device has to match everything that is set. */
struct filter {
	const char *driver; /* "-": none */
	const char *class; /* hex digits in front of the code, or a part of the name */
	unsigned vendor; /* ANY_ID: all */
	unsigned device;
	int group; /* PCI_GROUP_NONE: all */
	char **words; /* addresses */
	int word_count;
};

struct request {
	struct filter filter;
	const char *file; /* a snapshot */
	bool json;
	bool numeric;
};

static bool class_matches(const char *want, uint32_t class)
{
	char code[8];

	(void)snprintf(code, sizeof(code), "%06x", class);
	if (want[strspn(want, "0123456789abcdefABCDEF")] == '\0')
		return strncasecmp(code, want, strlen(want)) == 0;
	return strcasestr(pci_class_name(class), want);
}

static bool address_matches(const struct filter *f, struct pci_address a)
{
	struct pci_address want;

	for (int i = 0; i < f->word_count; i++)
		if (pci_address_parse(f->words[i], &want) == 0 && pci_address_equal(want, a))
			return true;
	return f->word_count == 0;
}

static bool matches(const struct filter *f, const struct pci_device *d)
{
	if (f->driver && strcmp(strcmp(f->driver, "-") ? f->driver : "", d->driver) != 0)
		return false;
	if (f->class && !class_matches(f->class, d->class))
		return false;
	if ((f->vendor != ANY_ID && f->vendor != d->vendor) ||
		(f->device != ANY_ID && f->device != d->device))
		return false;
	if (f->group != PCI_GROUP_NONE && f->group != d->group)
		return false;
	return address_matches(f, d->address);
}

static int group_order(const void *a, const void *b)
{
	const struct inventory_entry *x = *(const struct inventory_entry *const *)a;
	const struct inventory_entry *y = *(const struct inventory_entry *const *)b;

	if (x->device.group != y->device.group)
		return x->device.group < y->device.group ? -1 : 1;
	return pci_address_compare(x->device.address, y->device.address);
}

/* The entries that match, by group and then by address. Return: how many, -ENOMEM. */
static ssize_t select_entries(
	const struct inventory *v, const struct filter *f, const struct inventory_entry ***ret)
{
	const struct inventory_entry **list = calloc(v->count ? v->count : 1, sizeof(*list));
	ssize_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < v->count; i++)
		if (matches(f, &v->list[i].device))
			list[n++] = &v->list[i];
	qsort(list, (size_t)n, sizeof(struct inventory_entry *), group_order);
	*ret = list;
	return n;
}

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

static void print_row(struct table *t, const struct inventory_entry *x, struct names *n)
{
	const struct pci_device *d = &x->device;
	char text[2 * NAMES_TEXT];

	(void)table_row(t, NULL);
	(void)snprintf(text, sizeof(text), "%d", d->group);
	table_set(t, 0, d->group == PCI_GROUP_NONE ? "-" : text, TABLE_PLAIN);
	table_set(t, 1, pci_address_format(d->address, text), TABLE_PLAIN);
	table_set(t, 2, pci_class_name(d->class), TABLE_PLAIN);
	names_both(n, d, text, sizeof(text));
	table_set(t, 3, text, TABLE_PLAIN);
	table_set(t, 4, d->driver[0] ? d->driver : "-", TABLE_PLAIN);
	table_set(t, 5, inventory_state_name(x->state), colour_of(x->state));
	inventory_reason(x, text, sizeof(text));
	table_set(t, 6, text, TABLE_PLAIN);
}

static int print_table(
	const struct inventory_entry **list, size_t count, struct names *n, struct err *e)
{
	static const struct table_column columns[] = {
		{"GROUP", TABLE_RIGHT},
		{"ADDRESS", TABLE_LEFT},
		{"CLASS", TABLE_LEFT},
		{"DEVICE", TABLE_SHRINK},
		{"DRIVER", TABLE_LEFT},
		{"STATE", TABLE_LEFT},
		{"USED BY", TABLE_SHRINK},
	};
	struct table *t = NULL;

	int r = table_new(columns, COUNT(columns), &t, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		print_row(t, list[i], n);
	r = table_print(t, e);
	table_free(t);
	return r;
}

static int print_json(const struct inventory *v, const struct inventory_entry **list, size_t count,
	struct names *n, struct err *e)
{
	static const char *const states[] = {
		[PCI_IOMMU_ON] = "on",
		[PCI_IOMMU_KERNEL] = "off_in_kernel",
		[PCI_IOMMU_FIRMWARE] = "off_in_firmware",
	};
	struct json *doc = NULL;

	int r = json_new(1, &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "iommu", states[v->iommu]);
	json_put_flag(doc, "complete", !v->blind);
	struct json *devices = json_put_list(doc, "devices");
	for (size_t i = 0; i < count; i++)
		describe_put(json_push_map(devices), list[i], n);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

/* What the table alone does not say. */
static void print_notes(struct host *h, const struct inventory *v)
{
	struct err e = {0};

	if (v->iommu != PCI_IOMMU_ON) {
		pci_iommu_explain(h, v->iommu, &e);
		report_note("note: %s", e.msg);
		report_note("hint: %s", e.hint);
	}
	if (v->blind)
		report_note("note: not all processes could be looked at; root sees who uses what");
}

static int list(const struct request *q, struct host *h, struct err *e)
{
	cleanup_free const struct inventory_entry **chosen = NULL;
	struct names *names = q->numeric ? NULL : names_new();
	struct inventory v;

	int r = inventory_read(h, q->file ? INVENTORY_NO_LEASES : INVENTORY_WITH_LEASES, &v, e);
	ssize_t n = r < 0 ? r : select_entries(&v, &q->filter, &chosen);
	if (r == 0 && n < 0)
		r = err_set(e, (int)n, "list PCI devices");
	if (r == 0 && q->json)
		r = print_json(&v, chosen, (size_t)n, names, e);
	else if (r == 0 && n)
		r = print_table(chosen, (size_t)n, names, e);
	if (r == 0 && !q->json) {
		if (n == 0)
			report_note("%s",
				v.count ? "no device matches" : "this host has no PCI devices");
		print_notes(h, &v);
	}
	inventory_fini(&v);
	names_free(names);
	return r;
}

/* "8086", "8086:", ":100e" or "8086:100e". */
static int parse_id(const char *text, struct filter *f)
{
	char vendor[6] = "";
	const char *colon = strchrnul(text, ':');
	uint64_t n = 0;

	if ((size_t)(colon - text) >= sizeof(vendor))
		return -EINVAL;
	memcpy(vendor, text, (size_t)(colon - text));
	f->vendor = f->device = ANY_ID;
	if (vendor[0] && num_parse(vendor, 16, UINT16_MAX, &n) < 0)
		return -EINVAL;
	if (vendor[0])
		f->vendor = (unsigned)n;
	if (!*colon || !colon[1])
		return vendor[0] ? 0 : -EINVAL;
	if (num_parse(colon + 1, 16, UINT16_MAX, &n) < 0)
		return -EINVAL;
	f->device = (unsigned)n;
	return 0;
}

static int take_option(const struct verb *v, int c, struct request *q)
{
	uint64_t n;

	switch (c) {
	case 'j':
		q->json = true;
		return 0;
	case 'n':
		q->numeric = true;
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
		if (parse_id(optarg, &q->filter) == 0)
			return 0;
		return option_wrong(v, "--id: '%s' is not of the form VVVV or VVVV:DDDD", optarg);
	default:
		if (num_parse(optarg, 10, INT32_MAX, &n) < 0)
			return option_wrong(v, "--group: '%s' is no number", optarg);
		q->filter.group = (int)n;
		return 0;
	}
}

static int run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"numeric", no_argument, NULL, 'n'},
		{"host", required_argument, NULL, 'H'},
		{"driver", required_argument, NULL, 'd'},
		{"class", required_argument, NULL, 'c'},
		{"id", required_argument, NULL, 'i'},
		{"group", required_argument, NULL, 'g'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jn"};
	struct request q = {
		.filter = {.vendor = ANY_ID, .device = ANY_ID, .group = PCI_GROUP_NONE},
	};
	struct pci_address a;
	struct host *h = NULL;
	struct err e = {0};
	int c = OPTION_END, r = 0;

	while (r == 0 && (c = option_next(&o)) > 0)
		r = take_option(v, c, &q);
	if (r)
		return r;
	if (c != OPTION_END)
		return option_leave(c);
	q.filter.words = argv + optind;
	q.filter.word_count = argc - optind;
	for (int i = optind; i < argc; i++)
		if (pci_address_parse(argv[i], &a) < 0)
			return option_wrong(v, "'%s' is no PCI address", argv[i]);
	r = option_host(q.file, &h);
	if (r)
		return r;
	r = list(&q, h, &e);
	host_close(h);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_list = {
	.name = "list",
	.summary = "the PCI devices of this host by IOMMU group, and who uses them",
	.help = "list [OPTION…] [ADDRESS…]\n"
		"\n"
		"Every PCI device with its IOMMU group, which is the unit of lending, and a word "
		"on\n"
		"whether it could be lent now:\n"
		"\n"
		"  free     nobody uses it          free?   nobody was seen to; root sees all\n"
		"  ready    is on a VFIO driver     lent    is in somebody's hands\n"
		"  busy     somebody uses it        group   is free, a device in its group is not\n"
		"  bridge   stays with its driver   host    carries this host, is never lent\n"
		"  -        there is no IOMMU\n"
		"\n"
		"Needs no root and no IOMMU, and wakes no device.\n"
		"\n"
		"  --driver NAME     only those on this driver; - for those on none\n"
		"  --class CLASS     only those whose class is so named (ethernet), or whose code "
		"begins\n"
		"                    so (0200)\n"
		"  --id VVVV[:DDDD]  only those of this vendor, and device\n"
		"  --group N         only those in this IOMMU group\n"
		"  -n, --numeric     ids instead of names\n"
		"  -j, --json        a JSON document\n"
		"      --host FILE   a snapshot of another host instead of this one\n"
		"\n"
		"Example: which network controllers could be lent?\n"
		"\n"
		"  usher list --class ethernet\n",
	.run = run,
};
