/* SPDX-License-Identifier: MIT */
#include "lib/mapping.h"

#include <stdlib.h>

int mapping_grow(struct mapping_table *t)
{
	struct mapping_table new = {.room = t->room ? 2 * t->room : 64, .count = t->count};

	new.slots = calloc(new.room, sizeof(*new.slots));
	if (!new.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].size)
			mapping_put(&new, &t->slots[i]);
	free(t->slots);
	*t = new;
	return 0;
}

void mapping_fini(struct mapping_table *t)
{
	free(t->slots);
	*t = (struct mapping_table){.slots = NULL};
}
