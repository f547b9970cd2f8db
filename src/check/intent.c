/* SPDX-License-Identifier: MIT */
#include "check/intent.h"

#include "base/clean.h"
#include "check/bootwords.h"
#include "check/rule.h"

#include <stdio.h>
#include <string.h>

#define UNRAID_FILE "/boot/config/vfio-pci.cfg"

static bool ids_have(const struct pci_device *d, const char *ids)
{
	char want[16];

	(void)snprintf(want, sizeof(want), "%04x:%04x", d->vendor, d->device);
	return strcasestr(ids, want) != NULL;
}

static bool find_on_cmdline(struct check_case *c, const struct pci_device *d, struct intent *ret)
{
	if (!c->boot.booted ||
		!modprobe_value(c->boot.booted, "vfio_pci.ids", ret->ids, sizeof(ret->ids)) ||
		!ids_have(d, ret->ids))
		return false;
	ret->kind = INTENT_CMDLINE;
	(void)snprintf(ret->path, sizeof(ret->path), "/proc/cmdline");
	(void)snprintf(ret->value, sizeof(ret->value), "%.159s", ret->ids);
	return true;
}

static bool find_in_modprobe(struct check_case *c, const struct pci_device *d, struct intent *ret)
{
	const struct modprobe_line *l;
	size_t at = 0;

	while ((l = modprobe_next(&c->modprobe, &at, "options", "vfio_pci"))) {
		if (!modprobe_value(l->rest, "ids", ret->ids, sizeof(ret->ids)) ||
			!ids_have(d, ret->ids))
			continue;
		ret->kind = INTENT_MODPROBE;
		(void)snprintf(ret->file, sizeof(ret->file), "%s", l->file);
		(void)snprintf(ret->path, sizeof(ret->path), "%s:%u", l->file, l->number);
		(void)snprintf(ret->value, sizeof(ret->value), "%.159s", l->rest);
		return true;
	}
	return false;
}

/* initramfs-tools takes options behind the name of a module. */
static bool find_in_list(struct check_case *c, const struct pci_device *d, struct intent *ret)
{
	const struct early_line *l = early_line_with(&c->early, "vfio_pci", false);

	if (!l || !modprobe_value(l->options, "ids", ret->ids, sizeof(ret->ids)) ||
		!ids_have(d, ret->ids))
		return false;
	ret->kind = INTENT_MODPROBE;
	(void)snprintf(ret->file, sizeof(ret->file), "%s", l->file);
	(void)snprintf(ret->path, sizeof(ret->path), "%s:%u", l->file, l->number);
	(void)snprintf(ret->value, sizeof(ret->value), "%.159s", l->options);
	return true;
}

/* "BIND=0000:01:00.0|10de:2805 …": P01 reports ids that differ. */
static bool find_in_unraid(struct check_case *c, const struct pci_device *d, struct intent *ret)
{
	cleanup_free char *text = NULL;
	char address[PCI_ADDRESS_TEXT];

	if (host_read_all(c->host, UNRAID_FILE, &text) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "BIND=", 5) != 0 ||
		!strstr(text, pci_address_format(d->address, address)))
		return false;
	ret->kind = INTENT_UNRAID;
	ret->ids[0] = '\0';
	(void)snprintf(ret->file, sizeof(ret->file), UNRAID_FILE);
	(void)snprintf(ret->path, sizeof(ret->path), UNRAID_FILE ":1");
	(void)snprintf(ret->value, sizeof(ret->value), "%.159s", text);
	return true;
}

bool intent_find(struct check_case *c, const struct pci_device *d, struct intent *ret)
{
	*ret = (struct intent){0};
	return find_on_cmdline(c, d, ret) || find_in_modprobe(c, d, ret) ||
	       find_in_list(c, d, ret) || find_in_unraid(c, d, ret);
}

bool check_early_ids(struct check_case *c, const struct pci_device *d, char *buf, size_t size)
{
	struct intent i = {0};

	if (!find_on_cmdline(c, d, &i) && !find_in_modprobe(c, d, &i) && !find_in_list(c, d, &i))
		return false;
	(void)snprintf(buf, size, "%s", i.path);
	return true;
}
