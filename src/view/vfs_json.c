/* SPDX-License-Identifier: MIT */
#include "view/json.h"
#include "view/plan.h"
#include "view/vfs.h"

static void put_functions(struct json *doc, const struct vfs_plan *p)
{
	struct json *list = json_put_list(doc, "functions");
	char text[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < p->function_count; i++) {
		const struct pci_device *d = &p->functions[i];
		struct json *j = json_push_map(list);
		json_put_text(j, "address", pci_address_format(d->address, text));
		json_put_text(j, "driver", d->driver[0] ? d->driver : NULL);
		if (d->group >= 0)
			json_put_signed(j, "group", d->group);
		else
			json_put_null(j, "group");
	}
}

int vfs_json(const struct vfs_plan *p, const struct vfs_request *q, bool dry_run,
	const struct bind_step *steps, size_t count, struct err *e)
{
	struct json *doc = NULL;
	char text[PCI_ADDRESS_TEXT];

	int r = json_new("vfs", &doc, e);
	if (r < 0)
		return r;
	json_put_flag(doc, "dry_run", dry_run);
	json_put_flag(doc, "refused", p->says.refusals != 0);
	json_put_text(doc, "address", pci_address_format(p->device.address, text));
	json_put_number(doc, "total", p->total);
	json_put_number(doc, "count", p->now);
	if (q)
		json_put_number(doc, "wanted", q->count);
	else
		json_put_null(doc, "wanted");
	put_functions(doc, p);
	plan_json_problems(doc, &p->says);
	plan_json_steps(doc, steps, count);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
