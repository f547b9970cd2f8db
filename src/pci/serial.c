/* SPDX-License-Identifier: MIT */
#include "pci/serial.h"

#include "base/file.h"
#include "host/host.h"
#include "pci/capability.h"
#include "pci/device.h"

#include <string.h>

struct finder {
	struct host *host;
	const char *folder;
	char *buf;
	size_t size;
};

static int find_serial(void *arg, const char *name)
{
	struct finder *f = arg;
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/%s/serial", f->folder, name) < 0 ||
		host_read_text(f->host, path, f->buf, f->size) < 0)
		f->buf[0] = '\0';
	return f->buf[0] != '\0';
}

void pci_serials_read(
	struct host *h, struct pci_address a, const struct pci_config *c, struct pci_serials *ret)
{
	char folder[FILE_PATH_MAX];
	struct finder f = {h, folder, ret->nvme, sizeof(ret->nvme)};

	*ret = (struct pci_serials){0};
	ret->has_dsn = pci_serial_read(c, &ret->dsn) == 0;
	if (pci_device_path(a, "nvme", folder, sizeof(folder)) == 0)
		(void)h->ops->list(h, folder, find_serial, &f);
	/* The controller pads it to 20 bytes with blanks. */
	for (size_t n = strlen(ret->nvme); n && ret->nvme[n - 1] == ' '; n--)
		ret->nvme[n - 1] = '\0';
}
