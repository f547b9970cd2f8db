/* SPDX-License-Identifier: MIT */
/* Which lease or guest has a device. */
#include "control/value.h"
#include "daemon/kept.h"

static bool kept_has(const struct kept *k, struct pci_address a)
{
	for (size_t i = 0; i < k->device_count; i++)
		if (pci_address_equal(k->devices[i], a))
			return true;
	return false;
}

const struct kept *kept_of_device(const struct daemon *d, struct pci_address a)
{
	for (const struct kept *k = d->kept; k; k = k->next)
		if (kept_has(k, a))
			return k;
	return NULL;
}

static bool kept_is_of(
	const struct kept *k, pid_t pid, const char (*devices)[PCI_ADDRESS_TEXT], size_t count)
{
	struct pci_address a;
	int64_t of = 0;

	if (k->kind != KEPT_LEASE || k->device_count != count ||
		!control_value_number(k->state, "pid", &of) || of != pid)
		return false;
	for (size_t i = 0; i < count; i++)
		if (pci_address_parse(devices[i], &a) < 0 || !kept_has(k, a))
			return false;
	return true;
}

const struct kept *kept_of_process(
	const struct daemon *d, pid_t pid, const char (*devices)[PCI_ADDRESS_TEXT], size_t count)
{
	for (const struct kept *k = d->kept; k; k = k->next)
		if (k->state && kept_is_of(k, pid, devices, count))
			return k;
	return NULL;
}
