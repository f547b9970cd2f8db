/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "libvirt/hostdev.h"
#include "view/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct arguments {
	struct targets targets;
	bool managed;
};

/* Whoever uses the device: libvirt would never start such a domain. */
static void report_hopeless(const struct bind_plan *p)
{
	struct err e = {0};

	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		err_say(&e, -EPERM, "%s: %s [%s]", b->object, b->text, b->check);
		/* The others advise --allow, which libvirt does not have. */
		if (strcmp(b->check, "iommu") == 0)
			err_hint(&e, "%s", b->fix);
		report(&e);
	}
}

static void put_member(
	struct json *list, const struct arguments *a, int group, const struct bind_member *m)
{
	char text[LIBVIRT_HOSTDEV_TEXT], address[PCI_ADDRESS_TEXT];

	libvirt_hostdev_format(m->device.address, a->managed, text);
	if (!list) {
		(void)fputs(text, stdout);
		return;
	}
	struct json *j = json_push_map(list);
	json_put_text(j, "address", pci_address_format(m->device.address, address));
	json_put_number(j, "group", (uint64_t)group);
	json_put_flag(j, "named", m->is_target);
	json_put_text(j, "xml", text);
}

static void put_members(struct json *list, const struct arguments *a, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			if (p->groups[i].members[k].act != BIND_ACT_STAYS)
				put_member(list, a, p->groups[i].number, &p->groups[i].members[k]);
}

static int print_plan(const struct arguments *a, const struct bind_plan *p, struct err *e)
{
	struct json *doc = NULL;

	if (!a->targets.json) {
		put_members(NULL, a, p);
		return 0;
	}
	int r = json_new("xml", &doc, e);
	if (r < 0)
		return r;
	put_members(json_put_list(doc, "devices"), a, p);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int print_xml(const struct arguments *a, struct host *h)
{
	struct bind_env env = bind_env_live();
	const struct bind_request q = {
		.targets = a->targets.list,
		.target_count = a->targets.count,
		.survey = true,
		.access = BIND_ACCESS_NONE,
	};
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	env.host = h;
	int r = bind_plan(&env, &q, &plan, &e);
	bind_plan_keep_lasting(&plan);
	bool refused = r == 0 && plan.refusals;
	if (refused)
		report_hopeless(&plan);
	else if (r == 0)
		r = print_plan(a, &plan, &e);
	bind_plan_fini(&plan);
	return report_outcome(r, refused, &e);
}

enum { MANAGED = 1 };

static int xml_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	if (c != MANAGED)
		return targets_option(&a->targets, c, text);
	a->managed = strcmp(text, "yes") == 0;
	return a->managed || strcmp(text, "no") == 0
		       ? 0
		       : option_wrong(a->targets.verb, "--managed: '%s' is not yes or no", text);
}

static int xml_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"managed", required_argument, NULL, MANAGED},
		{"json", no_argument, NULL, TARGETS_JSON},
		{"host", required_argument, NULL, TARGETS_HOST},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct arguments a = {.targets = {.verb = v, .dry_run = true}, .managed = true};
	struct host *h = NULL;

	int r = options_take(&o, xml_option, &a);
	if (r == 0)
		r = targets_open(&a.targets, &h, argc - optind, argv + optind, 1);
	if (r)
		return option_leave(r);
	r = print_xml(&a, h);
	host_close(h);
	return r;
}

const struct verb verb_xml = {
	.name = "xml",
	.summary = "print devices as a domain of libvirt names them",
	.help = "xml DEVICE… [OPTION…]\n"
		"\n"
		"Prints the hostdev elements by which a libvirt domain gets the devices, and all\n"
		"others in their IOMMU groups: libvirt lends none of a group without the rest.\n"
		"Put them into <devices>, by 'virsh edit'. Changes nothing; 'usher check DEVICE'\n"
		"says whether a device can be lent now.\n"
		"\n"
		"      --managed yes|no   whether libvirt binds the devices (default: yes)\n"
		"  -j, --json             print a JSON document\n"
		"      --host FILE        read a snapshot of a host instead of this host\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher xml 0000:01:00.0\n",
	.run = xml_run,
};
