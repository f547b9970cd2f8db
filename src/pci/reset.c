/* SPDX-License-Identifier: MIT */
#include "pci/reset.h"

#include "base/num.h"
#include "pci/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_behind(struct host *h, struct pci_address a, struct pci_address bridge)
{
	struct pci_upstream u;

	return pci_upstream_read(h, a, &u) == 0 && pci_upstream_has(&u, bridge);
}

int pci_hot_reset_read(struct host *h, struct pci_address a, const struct pci_device *const *all,
	size_t count, struct pci_hot_reset *ret)
{
	struct pci_hot_reset r = {0};
	struct pci_upstream u;

	*ret = r;
	if (pci_upstream_read(h, a, &u) < 0 || u.count == 0)
		return 0;
	r.possible = true;
	r.bridge = u.bridges[u.count - 1];
	r.along = calloc(count ? count : 1, sizeof(*r.along));
	if (!r.along)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!pci_address_equal(all[i]->address, a) &&
			is_behind(h, all[i]->address, r.bridge))
			r.along[r.count++] = all[i]->address;
	*ret = r;
	return 0;
}

void pci_hot_reset_fini(struct pci_hot_reset *r)
{
	free(r->along);
	*r = (struct pci_hot_reset){0};
}

bool pci_reset_next(const char **at, char *buf, size_t size)
{
	const char *word = *at + strspn(*at, " \n");
	size_t len = strcspn(word, " \n");

	*at = word + len;
	if (len == 0 || len >= size)
		return false;
	memcpy(buf, word, len);
	buf[len] = '\0';
	return true;
}

const char *pci_reset_name(const char *method)
{
	static const struct {
		const char *method;
		const char *name;
	} names[] = {
		{"device_specific", "by a quirk that the kernel has for this device"},
		{"acpi", "by the firmware (ACPI _RST)"},
		{"flr", "function level reset (FLR)"},
		{"af_flr", "function level reset by Advanced Features"},
		{"pm", "through D3hot and back (PM)"},
		{"bus", "secondary bus reset by the bridge above"},
		{"cxl_bus", "secondary bus reset of a CXL port"},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i].method, method) == 0)
			return names[i].name;
	return NULL;
}
