/* SPDX-License-Identifier: MIT */
#include "view/filter.h"

#include "base/num.h"
#include "pci/class.h"
#include "pci/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool class_matches(const char *want, uint32_t class)
{
	char code[8];

	(void)snprintf(code, sizeof(code), "%06x", class);
	if (want[strspn(want, "0123456789abcdefABCDEF")] == '\0')
		return strncasecmp(code, want, strlen(want)) == 0;
	return strcasestr(pci_class_name(class), want);
}

static bool address_matches(const struct filter *f, struct pci_address a)
{
	for (size_t i = 0; i < f->address_count; i++)
		if (pci_address_equal(f->addresses[i], a))
			return true;
	return f->address_count == 0;
}

bool filter_matches(const struct filter *f, const struct pci_device *d)
{
	if (f->driver && strcmp(strcmp(f->driver, "-") ? f->driver : "", d->driver) != 0)
		return false;
	if (f->class && !class_matches(f->class, d->class))
		return false;
	if ((f->vendor != FILTER_ANY_ID && f->vendor != d->vendor) ||
		(f->device != FILTER_ANY_ID && f->device != d->device))
		return false;
	if (f->group != PCI_GROUP_NONE && f->group != d->group)
		return false;
	return address_matches(f, d->address);
}

int filter_parse_id(struct filter *f, const char *text)
{
	char vendor[6] = "";
	const char *colon = strchrnul(text, ':');
	uint64_t n = 0;

	if ((size_t)(colon - text) >= sizeof(vendor))
		return -EINVAL;
	memcpy(vendor, text, (size_t)(colon - text));
	f->vendor = f->device = FILTER_ANY_ID;
	if (vendor[0] && num_parse(vendor, 16, UINT16_MAX, &n) < 0)
		return -EINVAL;
	if (vendor[0])
		f->vendor = (unsigned)n;
	if (!*colon || !colon[1])
		return vendor[0] ? 0 : -EINVAL;
	if (num_parse(colon + 1, 16, UINT16_MAX, &n) < 0)
		return -EINVAL;
	f->device = (unsigned)n;
	return 0;
}
