/* SPDX-License-Identifier: MIT */
#include "view/card.h"
#include "view/json.h"

void card_json(struct json *map, const struct card *c)
{
	json_put_flag(map, "passed", card_passed(c));
	json_put_text(map, "verdict", card_verdict(c));
	struct json *list = json_put_list(map, "steps");
	for (size_t i = 0; i < c->count; i++) {
		const struct card_step *s = &c->steps[i];
		struct json *one = json_push_map(list);

		json_put_text(one, "step", s->name);
		json_put_text(one, "result", card_mark_name(s->mark));
		if (s->time_ns)
			json_put_number(one, "microseconds", s->time_ns / 1000);
		else
			json_put_null(one, "microseconds");
		json_put_text(one, "text", s->text);
	}
}
