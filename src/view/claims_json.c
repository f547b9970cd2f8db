/* SPDX-License-Identifier: MIT */
#include "view/claims.h"
#include "view/json.h"

#include <inttypes.h>
#include <stdio.h>

void claims_put(struct json *j, const struct claim *n, const struct claim_judgement *s)
{
	const struct claim_identity *k = &n->identity;
	bool known = !n->bad[0]; /* the claim could be read */
	char text[24];

	json_put_text(j, "name", n->name);
	json_put_text(j, "state", claim_standing_name(s->standing));
	json_put_text(j, "text", s->text);
	json_put_text(j, "path", known ? k->path : NULL);
	(void)snprintf(text, sizeof(text), "%04x:%04x", k->vendor, k->device);
	json_put_text(j, "id", known ? text : NULL);
	(void)snprintf(text, sizeof(text), "%04x:%04x", k->subvendor, k->subdevice);
	json_put_text(j, "subsystem_id", known ? text : NULL);
	(void)snprintf(text, sizeof(text), "%016" PRIx64, k->serial);
	json_put_text(j, "serial_number", known && k->has_serial ? text : NULL);
	json_put_text(j, "claimed_at", known ? pci_address_format(n->address, text) : NULL);
	json_put_text(j, "user", n->user[0] ? n->user : NULL);
	json_put_text(j, "user_group", n->user_group[0] ? n->user_group : NULL);
	if (n->vfs)
		json_put_number(j, "vfs", n->vfs);
	else
		json_put_null(j, "vfs");
	bool found = known && claims_found(s);
	json_put_text(j, "address", found ? pci_address_format(s->device.address, text) : NULL);
	json_put_text(j, "driver", found && s->device.driver[0] ? s->device.driver : NULL);
}

int claims_json(const struct claims *c, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new("claims", &doc, e);
	if (r < 0)
		return r;
	struct json *list = json_put_list(doc, "claims");
	for (size_t i = 0; i < c->count; i++)
		claims_put(json_push_map(list), &c->list[i], &c->judgements[i]);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
