/* SPDX-License-Identifier: MIT */
#include "cli/plug.h"

#include "base/err.h"
#include "bind/owner.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "control/line.h"
#include "control/value.h"
#include "view/json.h"
#include "view/plan.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KEEPER_MS 300000 /* QEMU may pin all of the guest's memory, and a driver may not let go */

static int state_ask(struct control_link *l, struct control_value **ret, struct err *e)
{
	return control_ask(l, "{\"command\":\"state\"}\n", ret, e);
}

bool plug_knows(const char *name)
{
	struct control_link link;
	struct control_value *state = NULL;
	struct err e = {0};
	bool known = false;

	int r = control_connect(guest_run_dir(name), name, &link, &e);
	if (r == 0)
		r = state_ask(&link, &state, &e);
	const char *engine = control_value_text(state, "engine");
	/* A folder that a killed keeper has left is no guest's. */
	known = r != -ENOENT && r != -ECONNREFUSED && !(engine && strcmp(engine, "libvirt") == 0);
	control_value_free(state);
	control_disconnect(&link);
	return known;
}

/* Return: 0, -E2BIG. */
static int request_write(const struct plug_order *o, char *ret, size_t size)
{
	char address[PCI_ADDRESS_TEXT];
	struct control_line l;

	control_line_begin(&l, ret, size - 1);
	control_line_text(&l, "command", o->away ? "detach" : "attach");
	control_line_open(&l, "devices", '[');
	for (size_t i = 0; i < o->targets->count; i++)
		control_line_text(
			&l, NULL, pci_address_format(o->targets->list[i].address, address));
	control_line_close(&l, ']');
	if (o->away)
		control_line_number(&l, "timeout", o->timeout_ms / 1000);
	if (o->targets->allow_count) {
		control_line_open(&l, "allow", '[');
		for (size_t i = 0; i < o->targets->allow_count; i++)
			control_line_text(&l, NULL, o->targets->allow[i]);
		control_line_close(&l, ']');
	}
	const size_t len = control_line_end(&l);
	ret[len] = '\0';
	return len ? 0 : -E2BIG;
}

/* Its group is open in QEMU, which a plan would take for a reason against it. */
static int device_refuse(void *arg, const char *key, const struct control_value *member)
{
	const struct plug_order *o = arg;
	const char *text = control_value_as_text(member);
	struct pci_address a;

	(void)key;
	if (!text || pci_address_parse(text, &a) < 0)
		return 0;
	for (size_t i = 0; i < o->targets->count; i++)
		if (pci_address_equal(o->targets->list[i].address, a))
			return -EEXIST;
	return 0;
}

/* The keeper will be the owner: what it has already is no reason against it. */
static int plan_make(
	const struct plug_order *o, struct control_link *l, struct bind_plan *ret, struct err *e)
{
	struct control_value *state = NULL;
	int64_t keeper = 0;
	struct bind_request q = {.targets = o->targets->list,
		.target_count = o->targets->count,
		.driver = "vfio-pci",
		.allow = o->targets->allow,
		.allow_count = o->targets->allow_count,
		.access = BIND_ACCESS_NONE};

	int r = state_ask(l, &state, e);
	if (r < 0)
		return r;
	(void)control_value_number(state, "keeper", &keeper);
	r = control_value_each(
		control_value_member(state, "devices"), device_refuse, (void *)(uintptr_t)o);
	control_value_free(state);
	if (r < 0)
		return err_say(e, r, "guest '%s' has one of these already", o->name);
	q.owner.pid = (pid_t)keeper;
	q.owner.space = bind_owner_space(o->env->host);
	(void)snprintf(q.owner.name, sizeof(q.owner.name), "%s", o->name);
	r = bind_owner_start(o->env->host, q.owner.pid, &q.owner.start);
	if (r < 0)
		return err_set(e, r, "find the keeper of guest '%s'", o->name);
	return bind_plan(o->env, &q, ret, e);
}

static int put_device(void *arg, const char *key, const struct control_value *member)
{
	const char *text = control_value_as_text(member);

	(void)key;
	if (text)
		json_push_text(arg, text);
	return 0;
}

static int print_json(const struct plug_order *o, const struct bind_plan *plan,
	const struct control_value *answer, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new(o->targets->verb->name, &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "domain", o->name);
	json_put_flag(doc, "live", true);
	json_put_flag(doc, "config", false);
	if (o->away) {
		(void)control_value_each(control_value_member(answer, "devices"), put_device,
			json_put_list(doc, "devices"));
		(void)json_put_list(doc, "configured");
	} else {
		json_put_flag(doc, "dry_run", o->targets->dry_run);
		json_put_flag(doc, "refused", plan->refusals != 0);
		plan_json(doc, plan);
	}
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int request_send(const struct plug_order *o, struct control_link *l,
	struct control_value **ret, struct err *e)
{
	char line[CONTROL_LINE_MAX];

	int r = request_write(o, line, sizeof(line));
	if (r < 0)
		return err_say(e, r, "too many devices for one request");
	return control_ask_within(l, line, KEEPER_MS + o->timeout_ms, ret, e);
}

/* A plan that refuses is shown as a whole; the keeper would only say the first reason. */
static int guest_change(
	const struct plug_order *o, struct control_link *l, struct bind_plan *plan, struct err *e)
{
	struct control_value *answer = NULL;

	int r = o->away ? 0 : plan_make(o, l, plan, e);
	if (r < 0)
		return r;
	r = plan->refusals ? -EPERM : o->targets->dry_run ? 0 : request_send(o, l, &answer, e);
	if (o->targets->json && (r == 0 || plan->refusals))
		r = print_json(o, plan, answer, e) < 0 ? -EIO : r;
	else if (r == 0 && !o->away)
		plan_text(stdout, plan);
	control_value_free(answer);
	return r;
}

int plug_change(const struct plug_order *o)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct control_link link;
	struct err e = {0};

	if (o->config)
		return option_wrong(o->targets->verb,
			"--config: '%s' is a guest of usher, which has no configuration there; "
			"--libvirt URI names a domain",
			o->name);
	int r = control_connect(guest_run_dir(o->name), o->name, &link, &e);
	if (r == 0)
		r = guest_change(o, &link, &plan, &e);
	control_disconnect(&link);
	const bool refused = r == -EPERM && plan.refusals;
	if (refused || o->targets->dry_run)
		report_problems(&plan);
	bind_plan_fini(&plan);
	return report_outcome(r, refused, &e);
}
