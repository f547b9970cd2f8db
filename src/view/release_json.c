/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "view/json.h"
#include "view/release.h"

void release_json(struct json *list, int group, const struct bind_report *r)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < r->returned_count; i++) {
		const struct bind_returned *g = &r->returned[i];
		struct json *j = json_push_map(list);
		json_put_signed(j, "group", group);
		json_put_text(j, "address", pci_address_format(g->address, address));
		json_put_text(j, "from", g->from[0] ? g->from : NULL);
		json_put_text(j, "to", g->to[0] ? g->to : NULL);
		json_put_flag(j, "left", g->left);
		json_put_text(j, "text", g->text[0] ? g->text : NULL);
	}
}

void release_json_failure(struct json *list, const char *object, const struct err *e)
{
	struct json *j = json_push_map(list);

	json_put_text(j, "object", object);
	json_put_text(j, "text", e->msg);
	json_put_text(j, "hint", e->hint[0] ? e->hint : NULL);
}
