/* SPDX-License-Identifier: MIT */
#include "view/inventory_json.h"
#include "view/json.h"
#include "view/listing.h"

static void put_vfs(struct json *map, struct pci_vfs f)
{
	char text[PCI_ADDRESS_TEXT];

	if (!f.total && !f.is_virtual) {
		json_put_null(map, "sriov");
		return;
	}
	struct json *one = json_put_map(map, "sriov");
	json_put_text(one, "physical_function",
		f.is_virtual ? pci_address_format(f.physical, text) : NULL);
	json_put_number(one, "virtual_functions", f.active);
	json_put_number(one, "virtual_functions_max", f.total);
}

static void put_nodes(struct json *map, const struct lookup_names *names, struct pci_address a)
{
	struct json *list = json_put_list(map, "names");

	for (size_t i = lookup_names_find(names, a);
		i < names->count && pci_address_equal(names->list[i].address, a); i++)
		json_push_text(list, names->list[i].name);
}

static void put_device(struct json *map, const struct listing *l, const struct inventory_entry *x)
{
	char text[PCI_ADDRESS_TEXT];

	inventory_json(map, x, l->names);
	json_put_text(map, "above",
		x->device.has_parent ? pci_address_format(x->device.parent, text) : NULL);
	put_vfs(map, listing_vfs(l, x));
	put_nodes(map, &l->nodes, x->device.address);
}

int listing_json(const struct listing *l, struct err *e)
{
	static const char *const states[] = {
		[PCI_IOMMU_ON] = "on",
		[PCI_IOMMU_KERNEL] = "off_in_kernel",
		[PCI_IOMMU_FIRMWARE] = "off_in_firmware",
	};
	struct json *doc = NULL;

	int r = json_new("list", &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "iommu", states[l->inventory.iommu]);
	json_put_flag(doc, "complete", !l->inventory.blind && !l->inventory.unlooked);
	struct json *devices = json_put_list(doc, "devices");
	for (size_t i = 0; i < l->tree.count; i++)
		put_device(json_push_map(devices), l, l->tree.list[i].entry);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
