/* SPDX-License-Identifier: MIT */
#include "pci/config.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "pci/alive.h"
#include "pci/device.h"

#include <errno.h>
#include <linux/pci_regs.h>

#define HEADER_TYPE_MASK 0x7f /* bit 7: the device has more functions */

int pci_config_read(struct host *h, struct pci_address a, struct pci_config *ret, struct err *e)
{
	char path[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];

	pci_address_format(a, address);
	int r = pci_device_path(a, "config", path, sizeof(path));
	ssize_t len = r < 0 ? r : h->ops->read(h, path, ret->bytes, sizeof(ret->bytes));
	ret->size = len < 0 ? 0 : (size_t)len;
	if (len < 0)
		return err_set(e, (int)len, "%s: read its configuration space", address);
	if (pci_header_is_dead(h, a, ret->bytes, ret->size)) {
		ret->size = 0;
		return err_say(e, -EIO,
			"%s: the device does not answer: its configuration space "
			"reads as all ones",
			address);
	}
	return 0;
}

uint8_t pci_config_u8(const struct pci_config *c, unsigned off)
{
	return range_ok(off, 1, c->size) ? c->bytes[off] : UINT8_MAX;
}

uint16_t pci_config_u16(const struct pci_config *c, unsigned off)
{
	return range_ok(off, 2, c->size) ? le16_get(c->bytes + off) : UINT16_MAX;
}

uint32_t pci_config_u32(const struct pci_config *c, unsigned off)
{
	return range_ok(off, 4, c->size) ? le32_get(c->bytes + off) : UINT32_MAX;
}

uint8_t pci_config_header(const struct pci_config *c)
{
	return pci_config_u8(c, PCI_HEADER_TYPE) & HEADER_TYPE_MASK;
}
