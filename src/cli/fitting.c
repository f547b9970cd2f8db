/* SPDX-License-Identifier: MIT */
#include "cli/fitting.h"

#include "base/num.h"
#include "engine/fit.h"
#include "view/json.h"

#include <inttypes.h>
#include <stdio.h>

void fitting_put_layout(struct json *doc, const struct fit_layout *l)
{
	if (!l) {
		json_put_null(doc, "layout");
		return;
	}
	struct json *to = json_put_map(doc, "layout");
	struct json *list = json_put_list(to, "memory");

	json_put_number(to, "address_bits", l->layout.bits);
	for (size_t i = 0; i < l->layout.count; i++) {
		struct json *one = json_push_map(list);
		json_put_hex(one, "address", l->layout.ram[i].base);
		json_put_number(one, "size", l->layout.ram[i].size);
	}
	json_put_number(to, "bars_low", l->mem32);
	json_put_number(to, "bars_low_room", LAYOUT_MEM32_SIZE);
	json_put_number(to, "bars_high", l->mem64);
	json_put_number(to, "bars_high_room", l->layout.mem64.size);
}

void fitting_put_checked(struct json *doc, const struct fit_name *names)
{
	static const char *const keys[] = {
		[FIT_WHOLE] = "checked", [FIT_PARTLY] = "partly_checked", [FIT_NOT] = "unchecked"};

	for (enum fit_depth depth = FIT_WHOLE; depth <= FIT_NOT; depth++) {
		struct json *list = json_put_list(doc, keys[depth]);
		for (const struct fit_name *n = names; n->name; n++) {
			if (n->depth != depth)
				continue;
			if (depth == FIT_WHOLE) {
				json_push_text(list, n->name);
				continue;
			}
			struct json *one = json_push_map(list);
			json_put_text(one, "name", n->name);
			json_put_text(one, "reason", n->reason);
		}
	}
}

/* What was asked, so that silence is an answer, and what was not. */
void fitting_print_checked(const struct fit_name *names)
{
	(void)printf("checked:");
	for (const struct fit_name *n = names; n->name; n++)
		if (n->depth == FIT_WHOLE)
			(void)printf(" %s", n->name);
	(void)printf("\n");
	for (const struct fit_name *n = names; n->name; n++)
		if (n->depth != FIT_WHOLE)
			(void)printf("%s checked: %s (%s)\n",
				n->depth == FIT_PARTLY ? "partly" : "not", n->name, n->reason);
}

void fitting_print_layout(const struct fit_layout *l)
{
	(void)printf("addresses: %u bits; memory at", l->layout.bits);
	for (size_t i = 0; i < l->layout.count; i++)
		(void)printf(" 0x%" PRIx64 "-0x%" PRIx64, l->layout.ram[i].base,
			(l->layout.ram[i].base + l->layout.ram[i].size - 1));
	(void)printf("\nbars: %" PRIu64 " of %" PRIu64 " MiB below 4 GiB, %" PRIu64 " of %" PRIu64
		     " MiB above memory\n",
		(l->mem32 / MIB(1)), (LAYOUT_MEM32_SIZE / MIB(1)), (l->mem64 / MIB(1)),
		(l->layout.mem64.size / MIB(1)));
}

void fitting_put_handed(struct json *guest, const struct guest_spec *s)
{
	struct json *list = json_put_list(guest, "handed");

	for (size_t i = 0; spec_is_handed(s) && i < s->device_count; i++) {
		struct json *one = json_push_map(list);
		char address[PCI_ADDRESS_TEXT];
		(void)pci_address_format(s->devices[i].address, address);
		json_put_text(one, "address", address);
		json_put_signed(one, "fd", s->devices[i].fd);
		json_put_signed(one, "container", s->devices[i].container);
	}
}

void fitting_print_handed(const struct guest_spec *s)
{
	for (size_t i = 0; spec_is_handed(s) && i < s->device_count; i++) {
		char address[PCI_ADDRESS_TEXT];
		(void)pci_address_format(s->devices[i].address, address);
		(void)printf("device: %s by descriptor %d, container %d\n", address,
			s->devices[i].fd, s->devices[i].container);
	}
}
