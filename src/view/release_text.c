/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "view/plan.h"
#include "view/release.h"

#include <stdio.h>
#include <string.h>

void release_text(FILE *to, const struct bind_report *r)
{
	char address[PCI_ADDRESS_TEXT], why[512];
	char from[PLAN_DRIVER_TEXT], to_driver[PLAN_DRIVER_TEXT];

	for (size_t i = 0; i < r->returned_count; i++) {
		const struct bind_returned *g = &r->returned[i];
		pci_address_format(g->address, address);
		file_escape(why, sizeof(why), g->text);
		const char *colon = why[0] ? ": " : "";
		if (g->left && !g->to[0] && !g->from[0] && why[0])
			(void)fprintf(to, "%s: %s\n", address, why);
		else if (strcmp(g->from, g->to) != 0)
			(void)fprintf(to, "%s: %s -> %s%s%s\n", address, plan_driver(g->from, from),
				plan_driver(g->to, to_driver), colon, why);
		else
			(void)fprintf(to, "%s: %s on %s%s%s\n", address, g->left ? "left" : "is",
				plan_driver(g->to, to_driver), colon, why);
	}
}
