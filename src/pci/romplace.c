/* SPDX-License-Identifier: MIT */
#include "pci/romplace.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/bar.h"
#include "pci/device.h"
#include "pci/vfct.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RESOURCE_ROM_SHADOW 2 /* IORESOURCE_ROM_SHADOW in linux/ioport.h */

static bool path_exists(struct host *h, const char *path)
{
	char target[8];

	return h->ops->link(h, path, target, sizeof(target)) != -ENOENT;
}

/* The seventh line of `resource`: "start end flags". */
static void resource_read(struct host *h, struct pci_address a, struct pci_rom_places *ret)
{
	char path[FILE_PATH_MAX], text[2048], *line = text;
	uint64_t start, end, flags;

	if (pci_device_path(a, "resource", path, sizeof(path)) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0)
		return;
	for (unsigned i = 0; line && i < PCI_BAR_ROM_INDEX; i++) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3 ||
		!flags)
		return;
	ret->bar_size = end - start + 1;
	ret->is_shadow = flags & RESOURCE_ROM_SHADOW;
}

void pci_rom_places_read(struct host *h, struct pci_address a, struct pci_rom_places *ret)
{
	char path[FILE_PATH_MAX];

	*ret = (struct pci_rom_places){0};
	resource_read(h, a, ret);
	/* The kernel made the attribute at boot, or when it found the device. */
	ret->has_bar = pci_device_path(a, "rom", path, sizeof(path)) == 0 && path_exists(h, path);
	ret->has_vfct = path_exists(h, PCI_VFCT_PATH);
}
