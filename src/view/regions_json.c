/* SPDX-License-Identifier: MIT */
#include "view/json.h"
#include "view/regions.h"

#include <linux/pci_regs.h>

static void put_bars(struct json *map, const struct space *s)
{
	static const char *const kinds[] = {
		[PCI_BAR_NONE] = "none",
		[PCI_BAR_IO] = "io",
		[PCI_BAR_MEM32] = "memory",
		[PCI_BAR_MEM64] = "memory_64",
		[PCI_BAR_ROM] = "rom",
	};
	struct json *list = json_put_list(map, "bars");

	for (size_t i = 0; i < s->bar_count; i++) {
		const struct pci_bar *b = &s->bars[i];
		struct json *one = json_push_map(list);

		json_put_number(one, "index", b->index);
		json_put_text(one, "kind", kinds[b->kind]);
		json_put_flag(one, "prefetchable", b->prefetchable);
		json_put_number(one, "size", b->size);
		if (b->assigned)
			json_put_number(one, "address", b->address);
		else
			json_put_null(one, "address");
	}
}

static void put_express(struct json *map, const struct pci_config *c)
{
	struct pci_express x;

	if (pci_express_read(c, &x) < 0)
		return;
	struct json *one = json_put_map(map, "express");
	json_put_text(one, "type", pci_express_type_name(x.type));
	json_put_number(one, "link_speed", x.speed);
	json_put_number(one, "link_speed_max", x.speed_max);
	json_put_number(one, "link_width", x.width);
	json_put_number(one, "link_width_max", x.width_max);
}

void space_put(struct json *map, const struct space *s)
{
	struct pci_capability list[PCI_CAPABILITY_MAX];
	const struct pci_config *c = &s->config;
	struct pci_msix x;
	struct pci_msi m;

	put_bars(map, s);
	/* An ordinary user can read the header only: the list is unknown, not empty. */
	if (c->size <= PCI_STD_HEADER_SIZEOF) {
		json_put_null(map, "capabilities");
		return;
	}
	struct json *all = json_put_list(map, "capabilities");
	size_t n = pci_capability_list(c, list, PCI_CAPABILITY_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json *one = json_push_map(all);

		json_put_number(one, "offset", list[i].offset);
		json_put_number(one, "id", list[i].id);
		json_put_flag(one, "extended", list[i].kind == PCI_CAPABILITY_EXTENDED);
		json_put_text(one, "name", pci_capability_name(list[i].kind, list[i].id));
	}
	json_put_flag(map, "flr", pci_has_flr(c));
	json_put_number(map, "msi_vectors", pci_msi_read(c, &m) == 0 ? m.count : 0);
	json_put_number(map, "msix_vectors", pci_msix_read(c, &x) == 0 ? x.count : 0);
	put_express(map, c);
}
