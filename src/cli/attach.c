/* SPDX-License-Identifier: MIT */
/* The verbs `attach` and `detach`: both change one guest, in opposite directions. */
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/plug.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "libvirt/plug.h"
#include "libvirt/process.h"
#include "libvirt/uri.h"
#include "view/json.h"
#include "view/plan.h"

#include <errno.h>
#include <stdio.h>

#define GUEST_TIMEOUT_MS 30000

struct arguments {
	struct targets targets;
	struct bind_env env;
	const char *uri;
	const char *domain;
	bool guessed; /* nobody said that it is libvirt's */
	int timeout_ms;
	bool live, config; /* of the command line; neither: whatever the domain has */
	bool away; /* detach */
};

enum { LIBVIRT = 1, LIVE, CONFIG, TIMEOUT };

static int attach_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;
	uint64_t seconds;

	switch (c) {
	case LIBVIRT:
		a->uri = text;
		return 0;
	case LIVE:
		a->live = true;
		return 0;
	case CONFIG:
		a->config = true;
		return 0;
	case TIMEOUT:
		if (num_parse(text, 10, 3600, &seconds) < 0)
			return option_wrong(a->targets.verb,
				"--timeout: '%s' is not a number of seconds up to 3600", text);
		a->timeout_ms = (int)seconds * 1000;
		return 0;
	default:
		return targets_option(&a->targets, c, text);
	}
}

/* Which of the two this domain has, of those that are wanted. Return: 0, -errno. */
static int choose_scopes(const struct arguments *a, const struct libvirt_state *s, bool *live,
	bool *config, struct err *e)
{
	bool any = !a->live && !a->config;

	if (a->live && !s->runs)
		return err_say(e, -EINVAL, "domain '%s' does not run", a->domain);
	if (a->config && !s->persists)
		return err_say(
			e, -EINVAL, "domain '%s' is transient: it has no configuration", a->domain);
	*live = a->live || (any && s->runs);
	*config = a->config || (any && s->persists);
	return 0;
}

static int attach_config(
	const struct libvirt_plug *p, bool live, const struct bind_plan *plan, struct err *e)
{
	int r = libvirt_plug_config(p, plan, e);
	const struct err why = *e;

	if (r >= 0 || !live)
		return r;
	err_say(e, r, "%s; the running domain has the devices, its configuration has not", why.msg);
	err_hint(e, "repeat it with --config, or take them back: usher detach %s DEVICE… --live",
		p->state->name);
	return r;
}

/* For the domain's next start: who uses the devices until then is no matter. */
static int config_plan(const struct libvirt_plug *p, struct bind_plan *plan, struct err *e)
{
	struct bind_request q = *p->request;

	q.survey = true;
	int r = bind_plan(p->env, &q, plan, e);
	if (r < 0)
		return r;
	bind_plan_keep_lasting(plan);
	return plan->refusals ? -EPERM : 0;
}

static int attach_devices(
	const struct libvirt_plug *p, bool live, bool config, struct bind_plan *plan, struct err *e)
{
	int r = live ? libvirt_plug_live(p, plan, e) : config_plan(p, plan, e);
	if (r == 0 && !plan->group_count)
		return -EPERM; /* without an IOMMU group, as the problems say */
	if (r == 0 && config)
		r = attach_config(p, live, plan, e);
	return r < 0 ? r : 0;
}

static int detach_devices(
	const struct libvirt_plug *p, bool live, bool config, struct bind_plan *plan, struct err *e)
{
	struct bind_request q = *p->request;

	q.survey = true;
	int r = bind_plan(p->env, &q, plan, e);
	int count = r == 0 && config ? libvirt_unplug_config(p, plan, e) : r;
	if (count < 0)
		return count;
	r = live ? libvirt_unplug_live(p, plan, e) : 0;
	if (r == 0 && count == 0)
		report_note("the domain has none of these devices");
	return r < 0 ? r : 0;
}

/* What attach would take. */
static int plan_preview(
	const struct libvirt_plug *p, bool live, struct bind_plan *plan, struct err *e)
{
	if (!live)
		return config_plan(p, plan, e);
	int r = bind_plan(p->env, p->request, plan, e);
	return r < 0 ? r : plan->refusals ? -EPERM : 0;
}

/* The members of the plan that @d had. */
static void put_had(struct json *list, const struct bind_plan *p, const struct libvirt_domain *d)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++) {
			struct pci_address a = p->groups[i].members[k].device.address;
			if (libvirt_domain_has(d, a))
				json_push_text(list, pci_address_format(a, address));
		}
}

static int print_json(const struct arguments *a, const struct libvirt_state *s, bool live,
	bool config, const struct bind_plan *plan, struct err *e)
{
	static const struct libvirt_domain none;
	struct json *doc = NULL;

	int r = json_new(a->targets.verb->name, &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "domain", s->name);
	json_put_flag(doc, "live", live);
	json_put_flag(doc, "config", config);
	if (a->away) {
		put_had(json_put_list(doc, "devices"), plan, live ? &s->running : &none);
		put_had(json_put_list(doc, "configured"), plan, config ? &s->configured : &none);
	} else {
		json_put_flag(doc, "dry_run", a->targets.dry_run);
		json_put_flag(doc, "refused", plan->refusals != 0);
		plan_json(doc, plan);
	}
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

/* @r: of the change. */
static void print_change(const struct arguments *a, const struct libvirt_state *s, bool live,
	bool config, const struct bind_plan *plan, int r)
{
	bool refused = r == -EPERM && plan->refusals && !a->away;

	if (a->targets.json && (r == 0 || refused)) {
		struct err why = {0};
		if (print_json(a, s, live, config, plan, &why) < 0)
			report(&why);
	} else if (!a->away && (a->targets.dry_run || (r == 0 && live))) {
		plan_text(stdout, plan);
	}
	if (!a->away && a->targets.dry_run && !refused)
		report_problems(plan);
}

static int change_domain(const struct arguments *a, struct libvirt_guest *g,
	const struct libvirt_state *s, struct bind_plan *plan, struct err *e)
{
	const struct bind_request q = {
		.targets = a->targets.list,
		.target_count = a->targets.count,
		.driver = "vfio-pci",
		.allow = a->targets.allow,
		.allow_count = a->targets.allow_count,
		.access = BIND_ACCESS_NONE,
	};
	const struct libvirt_plug p = {&a->env, LIBVIRT_RUN_DIR, g, s, &q, a->timeout_ms};
	bool live = false, config = false;

	int r = choose_scopes(a, s, &live, &config, e);
	if (r < 0)
		return r;
	if (!a->targets.dry_run)
		change_begin();
	r = a->targets.dry_run ? plan_preview(&p, live, plan, e)
	    : a->away          ? detach_devices(&p, live, config, plan, e)
			       : attach_devices(&p, live, config, plan, e);
	print_change(a, s, live, config, plan, r);
	return r;
}

static int change_guest(
	const struct arguments *a, struct libvirt_guest *g, struct bind_plan *plan, struct err *e)
{
	struct libvirt_state s;

	int r = libvirt_guest_state(g, &s, e);
	if (r < 0)
		return r;
	r = change_domain(a, g, &s, plan, e);
	libvirt_state_fini(&s);
	return r;
}

static int change_named(const struct arguments *a, struct bind_plan *plan, struct err *e)
{
	struct libvirt_connection *c = NULL;
	struct libvirt_guest *g = NULL;

	int r = libvirt_connect(a->uri, false, &c, e);
	if (r < 0 && a->guessed)
		err_hint(e, "usher ps lists the guests of usher");
	r = r < 0 ? r : libvirt_connection_is_local(c, e);
	r = r < 0 ? r : libvirt_guest_find(c, a->domain, &g, e);
	if (r < 0 && a->guessed)
		(void)err_in(e, r, "no guest of usher named '%s' runs", a->domain);
	if (r == -ENOENT)
		err_hint(e,
			a->guessed ? "usher ps, and usher guests --libvirt %s"
				   : "usher guests --libvirt %s",
			a->uri);
	if (r == 0)
		r = change_guest(a, g, plan, e);
	libvirt_guest_free(g);
	libvirt_disconnect(c);
	return r;
}

static int attach_run(struct arguments *a, int argc, char **argv, const struct option *takes)
{
	const struct verb *v = a->targets.verb;
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};

	int r = options_take(&o, attach_option, a);
	if (r)
		return option_leave(r);
	if (optind == argc)
		return option_wrong(v, "no guest or domain given");
	bool own = !a->uri && plug_knows(argv[optind]);
	a->guessed = !a->uri;
	if (!a->uri)
		a->uri = LIBVIRT_URI;
	if (!libvirt_uri_is_alias(a->uri) && !libvirt_uri_is_local(a->uri))
		return option_wrong(v,
			"--libvirt: '%s' is of another host, whose devices are not here", a->uri);
	a->domain = argv[optind];
	r = targets_operands(&a->targets, a->env.host, argc - optind - 1, argv + optind + 1, 1);
	if (r)
		return r;
	if (own)
		return plug_change(&(struct plug_order){
			&a->targets, &a->env, a->domain, a->away, a->config, a->timeout_ms});
	r = change_named(a, &plan, &e);
	bool refused = r == -EPERM && plan.refusals && !a->away;
	if (refused)
		report_problems(&plan);
	bind_plan_fini(&plan);
	return report_outcome(r, refused, &e);
}

static int verb_attach_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"libvirt", required_argument, NULL, LIBVIRT},
		{"live", no_argument, NULL, LIVE},
		{"config", no_argument, NULL, CONFIG},
		{"allow", required_argument, NULL, TARGETS_ALLOW},
		{"dry-run", no_argument, NULL, TARGETS_DRY_RUN},
		{"json", no_argument, NULL, TARGETS_JSON},
		{0},
	};
	struct arguments a = {
		.targets.verb = v,
		.env = bind_env_live(),
		.timeout_ms = GUEST_TIMEOUT_MS,
	};

	return attach_run(&a, argc, argv, takes);
}

static int verb_detach_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"libvirt", required_argument, NULL, LIBVIRT},
		{"live", no_argument, NULL, LIVE},
		{"config", no_argument, NULL, CONFIG},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"json", no_argument, NULL, TARGETS_JSON},
		{0},
	};
	struct arguments a = {
		.targets.verb = v,
		.env = bind_env_live(),
		.timeout_ms = GUEST_TIMEOUT_MS,
		.away = true,
	};

	return attach_run(&a, argc, argv, takes);
}

const struct verb verb_attach = {
	.name = "attach",
	.summary = "give devices to a guest of QEMU or libvirt that runs",
	.help = "attach NAME DEVICE… [OPTION…]\n"
		"\n"
		"Binds the devices, with their IOMMU groups, as 'usher bind' does, and adds all\n"
		"of them to a guest. NAME is a guest of 'usher run --engine=qemu' that runs; the\n"
		"devices return at its end. Where no guest of usher has that name, NAME is a\n"
		"domain of libvirt: the devices come to the running domain, to its configuration,\n"
		"or to both if there are both. When the domain ends, usher's hook returns them.\n"
		"(libvirt alone calls no hook for a running domain, and asks nobody who uses a\n"
		"device.)\n"
		"\n"
		"      --live             only to what runs\n"
		"      --config           only to the domain's configuration, for its next start\n"
		"      --libvirt URI      a domain of libvirt on this host (default, where no\n"
		"                         guest has the name: qemu:///system)\n"
		"      --allow CHECK      skip one check, as for 'usher bind'; may be repeated\n"
		"      --dry-run          print what would be bound, and change nothing\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher attach web 0000:03:00.0\n",
	.run = verb_attach_run,
};

const struct verb verb_detach = {
	.name = "detach",
	.summary = "take devices from a guest of QEMU or libvirt that runs",
	.help = "detach NAME DEVICE… [OPTION…]\n"
		"\n"
		"Removes the devices, with their IOMMU groups, from a guest of 'usher run' that\n"
		"QEMU runs, or from a domain of libvirt: from the running one, from its\n"
		"configuration, or from both if there are both. The guest is asked to let them\n"
		"go; then they return to their drivers. A guest that does not keeps them, and\n"
		"usher says so.\n"
		"\n"
		"      --live             only from what runs\n"
		"      --config           only from the domain's configuration\n"
		"      --libvirt URI      a domain of libvirt on this host (default, where no\n"
		"                         guest has the name: qemu:///system)\n"
		"      --timeout SECONDS  how long the guest may take (default: 30)\n"
		"  -j, --json             print a JSON document\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher detach web 0000:03:00.0\n",
	.run = verb_detach_run,
};
