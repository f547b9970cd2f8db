/* SPDX-License-Identifier: MIT */
#include "desktop/life.h"

#include "base/clean.h"
#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_master(struct host *h, struct pci_address a)
{
	unsigned char bytes[PCI_COMMAND + 2];
	char path[FILE_PATH_MAX];

	if (pci_device_path(a, "config", path, sizeof(path)) < 0 ||
		h->ops->read(h, path, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		return false;
	unsigned command = bytes[PCI_COMMAND] | bytes[PCI_COMMAND + 1] << 8;
	return command != 0xffff && (command & PCI_COMMAND_MASTER);
}

/* " 31:   0   12   PCI-MSI 524288-edge   vfio-msi[0](0000:01:00.0)": some count is not 0. */
static bool line_counts(const char *line)
{
	const char *at = strchr(line, ':');

	for (at = at ? at + 1 : line;; at++) {
		char *end;
		unsigned long n = strtoul(at, &end, 10);
		if (end == at || (*end != ' ' && *end != '\t'))
			return false;
		if (n)
			return true;
		at = end;
	}
}

static bool has_interrupts(struct host *h, struct pci_address a)
{
	char name[PCI_ADDRESS_TEXT + 2], address[PCI_ADDRESS_TEXT];
	cleanup_free char *text = NULL;
	char *save = NULL;

	if (host_read_all(h, "/proc/interrupts", &text) <= 0)
		return false;
	(void)snprintf(name, sizeof(name), "(%s)", pci_address_format(a, address));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, "vfio-") && strstr(line, name) && line_counts(line))
			return true;
	return false;
}

const char *desktop_life(struct host *h, struct pci_address a)
{
	if (is_master(h, a))
		return "it does DMA";
	return has_interrupts(h, a) ? "it gets interrupts of the card" : NULL;
}

enum desktop_patience desktop_patience(int64_t waited_ms)
{
	return waited_ms < DESKTOP_STOP_MS                     ? DESKTOP_WAIT
	       : waited_ms < DESKTOP_STOP_MS + DESKTOP_KILL_MS ? DESKTOP_KILL
							       : DESKTOP_ABANDON;
}
