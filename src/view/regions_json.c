/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "view/json.h"
#include "view/regions.h"

#include <linux/pci_regs.h>
#include <stdio.h>

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
		json_put_flag(one, "assigned", b->assigned);
		/* The kernel shows zeroes to an ordinary user. */
		if (b->assigned && b->address)
			json_put_hex(one, "address", b->address);
		else
			json_put_null(one, "address");
	}
}

/* The code of a link's speed, in GT/s; null for none, as of a part inside of the root complex. */
static void put_speed(struct json *map, const char *key, unsigned code)
{
	static const unsigned tenths[] = {0, 25, 50, 80, 160, 320, 640};

	if (code > 0 && code < COUNT(tenths))
		json_put_tenths(map, key, tenths[code]);
	else
		json_put_null(map, key);
}

static void put_width(struct json *map, const char *key, unsigned lanes)
{
	if (lanes)
		json_put_number(map, key, lanes);
	else
		json_put_null(map, key);
}

static void put_express(struct json *map, const struct pci_config *c)
{
	struct pci_express x;

	if (pci_express_read(c, &x) < 0) {
		json_put_null(map, "express");
		return;
	}
	struct json *one = json_put_map(map, "express");
	json_put_text(one, "type", pci_express_type_name(x.type));
	put_speed(one, "link_speed_gts", x.speed);
	put_speed(one, "link_speed_max_gts", x.speed_max);
	put_width(one, "link_width", x.width);
	put_width(one, "link_width_max", x.width_max);
}

/* An ordinary user can read the header only: what lies behind it is unknown, not absent. */
static void put_unknown(struct json *map)
{
	static const char *const keys[] = {
		"capabilities", "flr", "msi_vectors", "msix_vectors", "express"};

	for (size_t i = 0; i < COUNT(keys); i++)
		json_put_null(map, keys[i]);
}

void space_put(struct json *map, const struct space *s)
{
	struct pci_capability list[PCI_CAPABILITY_MAX];
	const struct pci_config *c = &s->config;
	struct pci_msix x;
	struct pci_msi m;
	char id[8];

	put_bars(map, s);
	if (c->size <= PCI_STD_HEADER_SIZEOF) {
		put_unknown(map);
		return;
	}
	struct json *all = json_put_list(map, "capabilities");
	size_t n = pci_capability_list(c, list, PCI_CAPABILITY_MAX);
	for (size_t i = 0; i < n; i++) {
		struct json *one = json_push_map(all);

		json_put_number(one, "offset", list[i].offset);
		(void)snprintf(id, sizeof(id), "%04x", list[i].id);
		json_put_text(one, "id", id);
		json_put_flag(one, "extended", list[i].kind == PCI_CAPABILITY_EXTENDED);
		json_put_text(one, "name", pci_capability_name(list[i].kind, list[i].id));
	}
	json_put_flag(map, "flr", pci_has_flr(c));
	json_put_number(map, "msi_vectors", pci_msi_read(c, &m) == 0 ? m.count : 0);
	json_put_number(map, "msix_vectors", pci_msix_read(c, &x) == 0 ? x.count : 0);
	put_express(map, c);
}
