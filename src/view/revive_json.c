/* SPDX-License-Identifier: MIT */
#include "view/json.h"
#include "view/plan.h"
#include "view/revive.h"

#include <stdio.h>

static void put_address(struct json *map, const char *key, struct pci_address a)
{
	char text[PCI_ADDRESS_TEXT];

	json_put_text(map, key, pci_address_format(a, text));
}

static void put_id(struct json *map, bool known, unsigned vendor, unsigned device)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%04x:%04x", vendor & 0xffff, device & 0xffff);
	json_put_text(map, "id", known ? text : NULL);
}

static void put_known(struct json *doc, const struct revive_known *k)
{
	struct json *map = json_put_map(doc, "known");

	put_id(map, k->has_id, k->vendor, k->device);
	json_put_text(map, "driver", k->driver[0] ? k->driver : NULL);
	json_put_text(map, "source", k->has_id ? k->source : NULL);
}

static void put_beside(struct json *doc, const struct revive_plan *p)
{
	struct json *list = json_put_list(doc, "beside");

	for (size_t i = 0; i < p->beside_count; i++) {
		struct json *one = json_push_map(list);
		put_address(one, "address", p->beside[i].address);
		json_put_text(one, "driver", p->beside[i].driver[0] ? p->beside[i].driver : NULL);
	}
}

/* What is planned and what came of it: "error" and "state" once a step is done. */
static void put_steps(struct json *doc, const struct revive_plan *p, const struct revive_report *t)
{
	struct json *list = json_put_list(doc, "steps");

	for (size_t i = 0; i < p->step_count; i++) {
		const struct revive_step *s = &p->steps[i];
		const struct revive_outcome *o = t && i < t->count ? &t->outcomes[i] : NULL;
		struct json *one = json_push_map(list);
		json_put_text(one, "step", revive_kind_name(s->kind));
		json_put_flag(one, "withheld", s->withheld);
		json_put_flag(one, "done", o && !s->withheld);
		json_put_text(one, "state", o ? revive_state_name(o->state) : NULL);
		json_put_text(one, "error", o && o->text[0] ? o->text : NULL);
		struct json *writes = json_put_list(one, "writes");
		for (size_t k = s->first; k < s->first + s->count; k++) {
			struct json *w = json_push_map(writes);
			json_put_text(w, "op", bind_op_name(p->writes[k].op));
			json_put_text(w, "path", p->writes[k].path);
			json_put_text(w, "text", p->writes[k].text);
		}
	}
}

static void put_link(struct json *map, const struct revive_report *t)
{
	if (!t->has_link) {
		json_put_null(map, "link");
		return;
	}
	struct json *link = json_put_map(map, "link");
	json_put_number(link, "speed", t->speed);
	json_put_number(link, "width", t->width);
	json_put_number(link, "speed_max", t->speed_max);
	json_put_number(link, "width_max", t->width_max);
}

static void put_end(struct json *doc, const struct revive_plan *p, const struct revive_report *t)
{
	struct json *map = json_put_map(doc, "now");
	const struct pci_device *d = &t->device;
	bool there = t->state != REVIVE_GONE;
	char keep[400];

	json_put_text(map, "state", revive_state_name(t->state));
	put_id(map, there, d->vendor, d->device);
	json_put_text(map, "driver", there && d->driver[0] ? d->driver : NULL);
	json_put_flag(map, "back", t->state == REVIVE_ANSWERS && !t->is_other);
	json_put_flag(map, "other", t->is_other);
	revive_keep_text(p, t, keep, sizeof(keep));
	json_put_text(map, "keep", keep[0] ? keep : NULL);
	json_put_text(map, "late", t->late.code ? t->late.msg : NULL);
	put_link(map, t);
}

int revive_json(const struct revive_plan *p, const struct revive_report *t, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new("revive", &doc, e);
	if (r < 0)
		return r;
	json_put_flag(doc, "dry_run", !t);
	json_put_flag(doc, "refused", p->says.refusals != 0);
	put_address(doc, "address", p->address);
	json_put_text(doc, "state", revive_state_name(p->state));
	put_known(doc, &p->known);
	if (p->has_port)
		put_address(doc, "port", p->port.address);
	else
		json_put_null(doc, "port");
	put_beside(doc, p);
	plan_json_problems(doc, &p->says);
	plan_json_problems_as(doc, "problems_beside", &p->aside);
	put_steps(doc, p, t);
	if (t)
		put_end(doc, p, t);
	else
		json_put_null(doc, "now");
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
