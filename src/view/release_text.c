/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "view/release.h"

#include <stdio.h>
#include <string.h>

static const char *or_none(const char *driver)
{
	return *driver ? driver : "no driver";
}

void release_text(FILE *to, const struct bind_report *r)
{
	char address[PCI_ADDRESS_TEXT], why[512];

	for (size_t i = 0; i < r->returned_count; i++) {
		const struct bind_returned *g = &r->returned[i];
		pci_address_format(g->address, address);
		file_escape(why, sizeof(why), g->text);
		const char *colon = why[0] ? ": " : "";
		if (strcmp(g->from, g->to) != 0)
			(void)fprintf(to, "%s: %s -> %s%s%s\n", address, or_none(g->from),
				or_none(g->to), colon, why);
		else
			(void)fprintf(to, "%s: %s on %s%s%s\n", address, g->left ? "left" : "is",
				or_none(g->to), colon, why);
	}
}
