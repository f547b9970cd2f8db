/* SPDX-License-Identifier: MIT */
#include "pci/sleep.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

static void text(struct host *h, struct pci_address a, const char *attr, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	if (pci_device_path(a, attr, path, sizeof(path)) < 0 ||
		host_read_text(h, path, buf, size) < 0)
		buf[0] = '\0';
}

void pci_sleep_read(struct host *h, struct pci_address a, struct pci_sleep *ret)
{
	text(h, a, "power_state", ret->state, sizeof(ret->state));
	text(h, a, "power/control", ret->control, sizeof(ret->control));
	text(h, a, "power/runtime_status", ret->status, sizeof(ret->status));
	text(h, a, "d3cold_allowed", ret->cold, sizeof(ret->cold));
}
