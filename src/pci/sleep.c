/* SPDX-License-Identifier: MIT */
#include "pci/sleep.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

static void read_attribute(
	struct host *h, struct pci_address a, const char *attr, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	if (pci_device_path(a, attr, path, sizeof(path)) < 0 ||
		host_read_text(h, path, buf, size) < 0)
		buf[0] = '\0';
}

void pci_sleep_read(struct host *h, struct pci_address a, struct pci_sleep *ret)
{
	read_attribute(h, a, "power_state", ret->state, sizeof(ret->state));
	read_attribute(h, a, "power/control", ret->control, sizeof(ret->control));
	read_attribute(h, a, "power/runtime_status", ret->status, sizeof(ret->status));
	read_attribute(h, a, "d3cold_allowed", ret->cold, sizeof(ret->cold));
}
