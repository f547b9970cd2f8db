/* SPDX-License-Identifier: MIT */
#include "cli/trace.h"

#include "base/err.h"
#include "base/file.h"
#include "cli/loan.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "pci/address.h"

#include <stdio.h>
#include <string.h>

int trace_add(struct loan_words *l, const char *text)
{
	const char *colon = strrchr(text, ':');
	char word[FILE_PATH_MAX], found[64], address[PCI_ADDRESS_TEXT];
	struct pci_address a;
	struct err e = {0};

	(void)snprintf(found, sizeof(found), "%s", text);
	if (colon && file_path(word, sizeof(word), "%.*s", (int)(colon - text), text) == 0) {
		int r = loan_device(l, word, &a);
		if (r)
			return r;
		(void)snprintf(found, sizeof(found), "%s%s", pci_address_format(a, address), colon);
	}
	if (spec_add_trace(&l->spec, found, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}
