/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "view/claims.h"
#include "view/table.h"

#include <stdio.h>

int claims_text(const struct claims *c, struct err *e)
{
	static const struct table_column columns[] = {
		{"CLAIM", TABLE_LEFT},
		{"ID", TABLE_LEFT},
		{"DRIVER", TABLE_LEFT},
		{"VFS", TABLE_LEFT},
		{"STATE", TABLE_SHRINK},
	};
	struct table *t = NULL;
	char id[12], vfs[12];

	int r = table_new(columns, COUNT(columns), &t, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->count; i++) {
		const struct claim *n = &c->list[i];
		const struct claim_judgement *s = &c->judgements[i];
		bool at = s->standing == CLAIM_STANDING_AT;
		(void)snprintf(id, sizeof(id), "%04x:%04x", n->identity.vendor, n->identity.device);
		(void)table_row(t, NULL);
		table_set(t, 0, n->name, TABLE_PLAIN);
		table_set(t, 1, n->bad[0] ? "-" : id, TABLE_PLAIN);
		table_set(t, 2, claims_found(s) && s->device.driver[0] ? s->device.driver : "-",
			TABLE_PLAIN);
		(void)snprintf(vfs, sizeof(vfs), "%u", n->vfs);
		table_set(t, 3, n->vfs ? vfs : "-", TABLE_PLAIN);
		table_set(t, 4, s->text, at ? TABLE_GOOD : TABLE_BAD);
	}
	r = table_print(t, e);
	table_free(t);
	return r;
}
