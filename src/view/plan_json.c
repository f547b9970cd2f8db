/* SPDX-License-Identifier: MIT */
#include "view/json.h"
#include "view/plan.h"

#include <stdio.h>

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

void plan_json_problems(struct json *doc, const struct bind_plan *p)
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

void plan_json(struct json *doc, const struct bind_plan *p)
{
	struct json *groups = json_put_list(doc, "groups");

	for (size_t i = 0; i < p->group_count; i++)
		put_group(groups, &p->groups[i]);
	plan_json_problems(doc, p);
}

void plan_json_steps(struct json *doc, const struct bind_step *steps, size_t count)
{
	if (!steps) {
		json_put_null(doc, "steps");
		return;
	}
	struct json *list = json_put_list(doc, "steps");
	for (size_t i = 0; i < count; i++) {
		struct json *j = json_push_map(list);
		json_put_text(j, "op", bind_op_name(steps[i].op));
		json_put_text(j, "path", steps[i].path);
		json_put_text(j, "text", steps[i].text);
	}
}
