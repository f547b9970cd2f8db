/* SPDX-License-Identifier: MIT */
#include "view/inventory_json.h"

#include "pci/class.h"
#include "view/inventory.h"
#include "view/json.h"
#include "view/names.h"

#include <stdio.h>
#include <string.h>

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void put_names(struct json *map, const struct pci_device *d, struct names *n)
{
	char name[NAMES_TEXT];

	name[0] = '\0';
	if (n)
		names_vendor(n, d, name);
	json_put_text(map, "vendor_name", or_null(name));
	name[0] = '\0';
	if (n)
		names_device(n, d, name);
	json_put_text(map, "device_name", or_null(name));
}

static void put_reset(struct json *map, const struct pci_device *d)
{
	struct json *list = json_put_list(map, "reset_methods");
	char text[PCI_NAME_MAX], *save = NULL;

	memcpy(text, d->reset_method, sizeof(text));
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_push_text(list, word);
}

static void put_holds(struct json *map, const struct holds *holds)
{
	struct json *list = json_put_list(map, "holds");

	for (size_t i = 0; i < holds->count; i++) {
		const struct hold *o = &holds->list[i];
		struct json *one = json_push_map(list);

		json_put_text(one, "check", o->check);
		json_put_text(one, "object", o->object);
		json_put_text(one, "text", o->text);
		json_put_flag(one, "absolute", o->absolute);
		json_put_flag(one, "unsure", o->unsure);
	}
}

static void put_id(struct json *map, const char *key, unsigned vendor, unsigned device)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%04x:%04x", vendor, device);
	json_put_text(map, key, vendor || device ? text : NULL);
}

void inventory_json(struct json *map, const struct inventory_entry *x, struct names *n)
{
	const struct pci_device *d = &x->device;
	char text[512];

	json_put_text(map, "address", pci_address_format(d->address, text));
	if (d->group == PCI_GROUP_NONE)
		json_put_null(map, "group");
	else
		json_put_signed(map, "group", d->group);
	put_id(map, "id", d->vendor, d->device);
	put_id(map, "subsystem_id", d->subvendor, d->subdevice);
	(void)snprintf(text, sizeof(text), "%06x", d->class);
	json_put_text(map, "class", text);
	json_put_text(map, "class_name", pci_class_name(d->class));
	(void)snprintf(text, sizeof(text), "%02x", d->revision);
	json_put_text(map, "revision", text);
	put_names(map, d, n);
	json_put_flag(map, "bridge", d->is_bridge);
	json_put_text(map, "driver", or_null(d->driver));
	if (d->numa_node < 0)
		json_put_null(map, "numa_node");
	else
		json_put_signed(map, "numa_node", d->numa_node);
	put_reset(map, d);
	json_put_text(map, "state",
		x->state == INVENTORY_NO_IOMMU ? NULL
		: x->state == INVENTORY_MAYBE  ? "unsure"
					       : inventory_state_name(x->state));
	inventory_reason(x, text, sizeof(text));
	json_put_text(map, "reason", or_null(text));
	put_holds(map, &x->holds);
}
