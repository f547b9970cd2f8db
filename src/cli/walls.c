/* SPDX-License-Identifier: MIT */
#include "cli/walls.h"

#include "engine/spec.h"
#include "engine/walls.h"
#include "view/json.h"

#include <stdio.h>

void walls_print(struct host *h, const struct guest_spec *s)
{
	struct wall_forecast walls[WALLS_MAX];
	const size_t count = walls_foretell(h, s, walls);
	const char *between = "walls: ";

	if (s->no_sandbox) {
		(void)puts("walls: none (--no-sandbox): a guest that takes usher-vmm over has its "
			   "rights, the host's files, processes and network, and all system calls");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (walls[i].missing)
			continue;
		(void)printf("%s%s", between, walls[i].name);
		between = ", ";
	}
	(void)puts("");
	for (size_t i = 0; i < count; i++)
		if (walls[i].missing)
			(void)printf("no wall: %s: %s\n", walls[i].name, walls[i].missing);
}

void walls_put(struct json *doc, struct host *h, const struct guest_spec *s)
{
	struct wall_forecast walls[WALLS_MAX];
	const size_t count = h ? walls_foretell(h, s, walls) : 0;
	struct json *list = json_put_list(doc, "walls");

	for (size_t i = 0; i < count; i++) {
		struct json *one = json_push_map(list);
		json_put_text(one, "name", walls[i].name);
		json_put_flag(one, "stands", !walls[i].missing);
		json_put_text(one, "reason", walls[i].missing);
	}
}
