/* SPDX-License-Identifier: MIT */
#include "pci/class.h"
#include "view/json.h"
#include "view/plan.h"
#include "view/proof.h"

#include <stdio.h>

int proof_json(const struct proof *p, struct err *e)
{
	struct json *doc = NULL;
	char text[32];

	int r = json_new("prove", &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "address", pci_address_format(p->was.address, text));
	(void)snprintf(text, sizeof(text), "%04x:%04x", p->was.vendor, p->was.device);
	json_put_text(doc, "id", text);
	json_put_text(doc, "class_name", pci_class_name(p->was.class));
	json_put_text(doc, "kernel", p->kernel[0] ? p->kernel : NULL);
	json_put_text(doc, "usher", USHER_VERSION);
	json_put_flag(doc, "refused", p->plan.refusals != 0);
	json_put_flag(doc, "dry_run", p->dry_run);
	card_json(doc, &p->card);
	plan_json(doc, &p->plan);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
