/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/describe.h"
#include "cli/hint.h"
#include "cli/inventory.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/option.h"
#include "cli/plan.h"
#include "cli/report.h"
#include "cli/space.h"
#include "pci/class.h"
#include "pci/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Everything that is told about one device. */
struct subject {
	struct host *host;
	const struct inventory *inventory;
	const struct inventory_entry *entry;
	struct pci_device device; /* with its override */
	struct names *names;
	struct space space;
	struct bind_plan plan;
};

static void line(const char *label, const char *text)
{
	(void)printf("  %-12s %s\n", label, text);
}

static void print_identity(const struct subject *s)
{
	const struct pci_device *d = &s->device;
	char text[2 * NAMES_TEXT + 64], address[PCI_ADDRESS_TEXT], name[2 * NAMES_TEXT];

	names_both(s->names, d, name, sizeof(name));
	(void)printf("%s  %s: %s\n", pci_address_format(d->address, address),
		pci_class_name(d->class), name);
	int n = snprintf(text, sizeof(text), "%04x:%04x", d->vendor, d->device);
	if (d->subvendor || d->subdevice)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", subsystem %04x:%04x",
			d->subvendor, d->subdevice);
	(void)snprintf(text + n, sizeof(text) - (size_t)n, ", class %06x, revision %02x", d->class,
		d->revision);
	line("id", text);
	line("driver", d->driver[0] ? d->driver : "none");
	if (d->driver_override[0])
		line("override", d->driver_override);
	line("reset", d->reset_method[0] ? d->reset_method : "none of its own");
	if (d->numa_node >= 0) {
		(void)snprintf(text, sizeof(text), "%d", d->numa_node);
		line("NUMA node", text);
	}
}

static void print_state(const struct subject *s)
{
	const struct inventory_entry *x = s->entry;
	char reason[512], text[600];

	inventory_reason(x, reason, sizeof(reason));
	(void)snprintf(text, sizeof(text), "%s%s%s",
		x->state == INVENTORY_NO_IOMMU ? "no IOMMU" : inventory_state_name(x->state),
		reason[0] ? ", " : "", reason);
	line("state", text);
	for (size_t i = 0; i < x->holds.count; i++) {
		const struct hold *o = &x->holds.list[i];

		(void)snprintf(text, sizeof(text), "%s: %s [%s]%s", o->object, o->text, o->check,
			o->absolute ? ", nothing lifts this" : "");
		line(i ? "" : "held by", text);
	}
}

static void print_group(const struct subject *s)
{
	int number = s->entry->device.group;
	char text[512], address[PCI_ADDRESS_TEXT];
	size_t others = 0;

	if (number == PCI_GROUP_NONE) {
		line("group", "none");
		return;
	}
	for (size_t i = 0; i < s->inventory->count; i++) {
		const struct inventory_entry *x = &s->inventory->list[i];

		if (x->device.group != number || x == s->entry)
			continue;
		if (others++ == 0) {
			(void)snprintf(text, sizeof(text), "%d, with", number);
			line("group", text);
		}
		(void)snprintf(text, sizeof(text), "%s %s, %s, %s",
			pci_address_format(x->device.address, address),
			pci_class_name(x->device.class),
			x->device.driver[0] ? x->device.driver : "no driver",
			inventory_state_name(x->state));
		line("", text);
	}
	if (others == 0) {
		(void)snprintf(text, sizeof(text), "%d, alone in it", number);
		line("group", text);
	}
}

static const char *act_text(const struct bind_member *m, char *buf, size_t size)
{
	const char *from = m->device.driver[0] ? m->device.driver : "no driver";

	if (m->act == BIND_ACT_STAYS && !m->device.driver[0])
		(void)snprintf(buf, size, "stays without a driver");
	else if (m->act == BIND_ACT_STAYS)
		(void)snprintf(buf, size, "stays on %s", from);
	else if (m->act == BIND_ACT_ALREADY)
		(void)snprintf(buf, size, "is on %s already", m->driver);
	else
		(void)snprintf(buf, size, "goes from %s to %s", from, m->driver);
	return buf;
}

static void print_plan(const struct subject *s)
{
	const struct bind_plan *p = &s->plan;
	char text[640], act[160], address[PCI_ADDRESS_TEXT];

	if (s->entry->device.is_bridge)
		return;
	line("if lent", p->refusals ? "it would be refused" : "it would be taken");
	for (size_t i = 0; i < p->group_count && !p->refusals; i++) {
		for (size_t k = 0; k < p->groups[i].count; k++) {
			const struct bind_member *m = &p->groups[i].members[k];

			(void)snprintf(text, sizeof(text), "%s %s",
				pci_address_format(m->device.address, address),
				act_text(m, act, sizeof(act)));
			line("", text);
		}
	}
	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];

		(void)snprintf(text, sizeof(text), "%s%s: %s [%s]",
			b->refuses ? "" : "note: ", b->object, b->text, b->check);
		line("", text);
		if (b->fix[0]) {
			(void)snprintf(text, sizeof(text), "  %s", b->fix);
			line("", text);
		}
	}
}

static void print_text(const struct subject *s)
{
	print_identity(s);
	print_group(s);
	print_state(s);
	space_print(&s->space);
	print_plan(s);
}

static void put_json(struct json *map, const struct subject *s)
{
	char address[PCI_ADDRESS_TEXT];

	describe_put(map, s->entry, s->names);
	json_put_text(map, "driver_override",
		s->device.driver_override[0] ? s->device.driver_override : NULL);
	struct json *members = json_put_list(map, "group_members");
	for (size_t i = 0; i < s->inventory->count; i++) {
		const struct pci_device *d = &s->inventory->list[i].device;

		if (d->group == s->entry->device.group && d->group != PCI_GROUP_NONE)
			json_push_text(members, pci_address_format(d->address, address));
	}
	space_put(map, &s->space);
	struct json *plan = json_put_map(map, "if_lent");
	json_put_flag(plan, "refused", s->plan.refusals != 0);
	plan_put(plan, &s->plan);
}

/* What `usher bind` would say; it reads only, so a snapshot will do. */
static int ask_plan(struct subject *s, struct err *e)
{
	const struct bind_target target = {.address = s->entry->device.address};
	const struct bind_request q = {
		.targets = &target,
		.target_count = 1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	};
	struct bind_env env = bind_env_live();

	if (s->host != host_live()) {
		env.host = s->host;
		env.state = "/nonexistent"; /* the journal of this host says nothing of that one */
	}
	return bind_plan(&env, &q, &s->plan, e);
}

static int show_one(struct subject *s, struct json *devices, struct err *e)
{
	s->plan = BIND_PLAN_NONE;
	space_read(s->host, &s->entry->device, &s->space);
	int r = pci_device_read(s->host, s->entry->device.address, &s->device, e);
	if (r == 0)
		r = ask_plan(s, e);
	if (r < 0)
		return r;
	if (devices)
		put_json(json_push_map(devices), s);
	else
		print_text(s);
	bind_plan_fini(&s->plan);
	return 0;
}

struct request {
	const char *file;
	bool json;
	bool numeric;
	char **words;
	int word_count;
};

static int show_all(const struct request *q, struct subject *s, struct json *devices, struct err *e)
{
	struct pci_address a;
	int r = 0;

	for (int i = 0; r == 0 && i < q->word_count; i++) {
		(void)pci_address_parse(q->words[i], &a); /* checked before */
		s->entry = inventory_find(s->inventory, a);
		if (!s->entry) {
			char text[PCI_ADDRESS_TEXT];

			r = err_say(e, -ENODEV, "%s: there is no such PCI device",
				pci_address_format(a, text));
			hint_address(s->inventory, a, e);
			return r;
		}
		if (i && !devices)
			(void)putchar('\n');
		r = show_one(s, devices, e);
	}
	return r;
}

static int show(const struct request *q, struct host *h, struct err *e)
{
	struct inventory v;
	struct json *doc = NULL, *devices = NULL;
	struct subject *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, -ENOMEM, "show a device");
	int r = inventory_read(h, q->file ? INVENTORY_NO_LEASES : INVENTORY_WITH_LEASES, &v, e);
	*s = (struct subject){.host = h, .inventory = &v};
	s->names = q->numeric ? NULL : names_new();
	if (r == 0 && q->json) {
		r = json_new(1, &doc, e);
		devices = r == 0 ? json_put_list(doc, "devices") : NULL;
	}
	if (r == 0)
		r = show_all(q, s, devices, e);
	if (r == 0 && doc)
		r = json_print(doc, e);
	json_free(doc);
	names_free(s->names);
	inventory_fini(&v);
	free(s);
	return r;
}

/* A word that is no address is the command line's fault, and often a device by another name. */
static int wrong_word(const struct verb *v, struct host *h, const char *word)
{
	struct err e = {0};

	(void)err_say(&e, -EINVAL, "%s: '%s' is no PCI address", v->name, word);
	hint_word(h, word, &e);
	report(&e);
	return LEAVE_USAGE;
}

static int check_words(const struct verb *v, const struct request *q, struct host *h)
{
	struct pci_address a;

	for (int i = 0; i < q->word_count; i++)
		if (pci_address_parse(q->words[i], &a) < 0)
			return wrong_word(v, h, q->words[i]);
	return 0;
}

static int run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"json", no_argument, NULL, 'j'},
		{"numeric", no_argument, NULL, 'n'},
		{"host", required_argument, NULL, 'H'},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes, .letters = "jn"};
	struct request q = {0};
	struct host *h = NULL;
	struct err e = {0};
	int c;

	while ((c = option_next(&o)) > 0) {
		q.json = q.json || c == 'j';
		q.numeric = q.numeric || c == 'n';
		q.file = c == 'H' ? optarg : q.file;
	}
	if (c != OPTION_END)
		return option_leave(c);
	q.words = argv + optind;
	q.word_count = argc - optind;
	if (q.word_count == 0)
		return option_wrong(v, "which device? An ADDRESS is missing");
	int r = option_host(q.file, &h);
	if (r)
		return r;
	r = check_words(v, &q, h);
	int x = r ? 0 : show(&q, h, &e);
	host_close(h);
	if (x < 0)
		report(&e);
	return x < 0 ? LEAVE_FAILED : r;
}

const struct verb verb_show = {
	.name = "show",
	.summary = "all about a device: group, BARs, capabilities, users, what lending would take",
	.help = "show [OPTION…] ADDRESS…\n"
		"\n"
		"Everything usher knows of a device: who it is, its IOMMU group and who else is in "
		"it,\n"
		"who uses it, its resets, BARs and capabilities, and what would happen if it were "
		"lent.\n"
		"Capabilities are read from configuration space: root sees all of them, and a "
		"sleeping\n"
		"device wakes up for it.\n"
		"\n"
		"  -n, --numeric    ids instead of names\n"
		"  -j, --json       a JSON document\n"
		"      --host FILE  a snapshot of another host instead of this one\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher show 0000:01:00.0\n",
	.run = run,
};
