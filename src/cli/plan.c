/* SPDX-License-Identifier: MIT */
#include "cli/plan.h"

#include "base/err.h"
#include "cli/report.h"
#include "view/json.h"

#include <errno.h>

static const char *or_none(const char *driver)
{
	return *driver ? driver : "no driver";
}

static void print_member(FILE *to, const struct bind_group *g, const struct bind_member *m)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(m->device.address, address);
	switch (m->act) {
	case BIND_ACT_TAKE:
		(void)fprintf(to, "%s: %s -> %s (group %d)\n", address, or_none(m->device.driver),
			m->driver, g->number);
		break;
	case BIND_ACT_ALREADY:
		(void)fprintf(
			to, "%s: is on %s already (group %d)\n", address, m->driver, g->number);
		break;
	case BIND_ACT_STAYS:
		(void)fprintf(to, "%s: stays on %s (group %d%s)\n", address,
			or_none(m->device.driver), g->number,
			m->device.is_bridge ? ", bridge" : "");
		break;
	}
}

void plan_members(FILE *to, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			print_member(to, &p->groups[i], &p->groups[i].members[k]);
}

void plan_viability(FILE *to, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		(void)fprintf(to, "group %d: %s\n", p->groups[i].number,
			p->groups[i].viable
				? "viable: none of its devices is left on a driver of the host"
				: "not viable: a device is left on a driver of the host");
}

void plan_problems(const struct bind_plan *p)
{
	struct err e = {0};

	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		err_say(&e, -EPERM, "%s%s: %s [%s]", b->refuses ? "" : "note: ", b->object, b->text,
			b->check);
		if (b->refuses || !b->liftable)
			err_hint(&e, "%s", b->fix);
		report(&e);
	}
}

static void put_group(struct json *groups, const struct bind_group *g)
{
	static const char *const acts[] = {"take", "already", "stays"};
	struct json *one = json_push_map(groups);
	char text[32];

	json_put_signed(one, "group", g->number);
	(void)snprintf(text, sizeof(text), "/dev/vfio/%d", g->number);
	json_put_text(one, "node", text);
	json_put_flag(one, "viable", g->viable);
	struct json *members = json_put_list(one, "members");
	for (size_t i = 0; i < g->count; i++) {
		const struct bind_member *m = &g->members[i];
		struct json *j = json_push_map(members);
		json_put_text(j, "address", pci_address_format(m->device.address, text));
		(void)snprintf(text, sizeof(text), "%04x:%04x", m->device.vendor, m->device.device);
		json_put_text(j, "id", text);
		json_put_flag(j, "target", m->is_target);
		json_put_text(j, "act", acts[m->act]);
		json_put_text(j, "from", m->device.driver[0] ? m->device.driver : NULL);
		json_put_text(j, "to", m->driver[0] ? m->driver : NULL);
	}
}

void plan_put_problems(struct json *doc, const struct bind_plan *p)
{
	struct json *list = json_put_list(doc, "problems");

	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		struct json *j = json_push_map(list);
		json_put_text(j, "check", b->check);
		json_put_text(j, "object", b->object);
		json_put_text(j, "text", b->text);
		json_put_text(j, "fix", b->fix[0] ? b->fix : NULL);
		json_put_flag(j, "refuses", b->refuses);
		json_put_flag(j, "liftable", b->liftable);
	}
}

void plan_put(struct json *doc, const struct bind_plan *p)
{
	struct json *groups = json_put_list(doc, "groups");

	for (size_t i = 0; i < p->group_count; i++)
		put_group(groups, &p->groups[i]);
	plan_put_problems(doc, p);
}

void plan_steps(FILE *to, const struct bind_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct bind_step *s = &steps[i];
		(void)fprintf(to, "  %-8s%s%s%s\n", bind_op_name(s->op), s->path,
			s->text[0] ? "  " : "", s->text);
	}
}

void plan_put_steps(struct json *doc, const struct bind_step *steps, size_t count)
{
	struct json *list = json_put_list(doc, "steps");

	for (size_t i = 0; i < count; i++) {
		struct json *j = json_push_map(list);
		json_put_text(j, "op", bind_op_name(steps[i].op));
		json_put_text(j, "path", steps[i].path);
		json_put_text(j, "text", steps[i].text);
	}
}
