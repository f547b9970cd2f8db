/* SPDX-License-Identifier: MIT */
#include "vmm/pci/config.h"

#include "base/endian.h"

#include <linux/pci_regs.h>

void func_config_set(
	struct func_config *r, unsigned off, unsigned size, uint32_t value, uint32_t mask)
{
	le_put(&r->bytes[off], size, value);
	if (off + size <= FUNC_CONFIG_WRITABLE)
		le_put(&r->mask[off], size, mask);
}

void func_config_set_clear(struct func_config *r, unsigned off, unsigned size, uint32_t clear)
{
	le_put(&r->clear[off], size, clear);
}

void func_config_add_cap(struct func_config *r, uint8_t id, unsigned off)
{
	r->bytes[off + PCI_CAP_LIST_ID] = id;
	r->bytes[off + PCI_CAP_LIST_NEXT] = r->bytes[PCI_CAPABILITY_LIST];
	r->bytes[PCI_CAPABILITY_LIST] = (uint8_t)off;
	r->bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

uint32_t func_config_read(const struct func_config *r, unsigned off, unsigned size)
{
	return (uint32_t)le_get(&r->bytes[off], size);
}

void func_config_write(struct func_config *r, unsigned off, unsigned size, uint32_t value)
{
	if (off + size > FUNC_CONFIG_WRITABLE)
		return;
	for (unsigned i = 0; i < size; i++) {
		uint8_t v = (uint8_t)(value >> (8 * i));
		uint8_t keep = (uint8_t)~r->mask[off + i];
		uint8_t now = (uint8_t)((r->bytes[off + i] & keep) | (v & ~keep));
		r->bytes[off + i] = (uint8_t)(now & ~(v & r->clear[off + i]));
	}
}
