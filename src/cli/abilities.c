/* SPDX-License-Identifier: MIT */
#include "cli/abilities.h"

#include "engine/engine.h"
#include "view/json.h"

#include <stdio.h>

static const char *const depths[] = {
	[ABILITY_NO] = "no", [ABILITY_PARTLY] = "partly", [ABILITY_YES] = "yes"};

void abilities_print(const struct engine *e)
{
	(void)printf("%s can:", e->name);
	for (enum ability a = 0; a < ABILITY_COUNT; a++)
		if (ability_of(e, a).depth == ABILITY_YES)
			(void)printf(" %s", ability_name(a));
	(void)printf("\n");
	for (enum ability a = 0; a < ABILITY_COUNT; a++) {
		const struct ability_note n = ability_of(e, a);
		if (n.depth != ABILITY_YES)
			(void)printf("%s can%s: %s (%s)\n", e->name,
				n.depth == ABILITY_NO ? "not" : " partly", ability_name(a),
				n.reason);
	}
}

void abilities_put(struct json *doc, const struct engine *e)
{
	struct json *list = json_put_list(doc, "abilities");

	for (enum ability a = 0; a < ABILITY_COUNT; a++) {
		const struct ability_note n = ability_of(e, a);
		struct json *one = json_push_map(list);
		json_put_text(one, "name", ability_name(a));
		json_put_text(one, "depth", depths[n.depth]);
		json_put_text(one, "reason", n.reason);
	}
}

void backend_print(const struct engine *e, struct host *h, const struct guest_spec *s)
{
	if (!e->by_groups || !s->device_count)
		return;
	const char *reason = e->by_groups(h, s);
	(void)printf("devices: by %s%s%s\n", reason ? "their groups" : "descriptors of iommufd",
		reason ? ": " : "", reason ? reason : "");
}

void backend_put(
	struct json *doc, const struct engine *e, struct host *h, const struct guest_spec *s)
{
	const bool known = e->by_groups && s->device_count;
	const char *reason = known ? e->by_groups(h, s) : NULL;

	json_put_text(doc, "backend", !known ? NULL : reason ? "groups" : "iommufd");
	json_put_text(doc, "backend_reason", reason);
}
