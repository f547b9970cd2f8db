/* SPDX-License-Identifier: MIT */
#include "vmm/regs.h"

#include <linux/pci_regs.h>

#include "base/endian.h"

void regs_set(struct regs *r, unsigned off, unsigned size, uint32_t value, uint32_t mask)
{
	le_put(&r->bytes[off], size, value);
	if (off + size <= REGS_WRITABLE)
		le_put(&r->mask[off], size, mask);
}

void regs_set_clear(struct regs *r, unsigned off, unsigned size, uint32_t clear)
{
	le_put(&r->clear[off], size, clear);
}

void regs_add_cap(struct regs *r, uint8_t id, unsigned off)
{
	r->bytes[off + PCI_CAP_LIST_ID] = id;
	r->bytes[off + PCI_CAP_LIST_NEXT] = r->bytes[PCI_CAPABILITY_LIST];
	r->bytes[PCI_CAPABILITY_LIST] = (uint8_t)off;
	r->bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

uint32_t regs_read(const struct regs *r, unsigned off, unsigned size)
{
	return (uint32_t)le_get(&r->bytes[off], size);
}

void regs_write(struct regs *r, unsigned off, unsigned size, uint32_t value)
{
	if (off + size > REGS_WRITABLE)
		return;
	for (unsigned i = 0; i < size; i++) {
		uint8_t v = (uint8_t)(value >> (8 * i));
		uint8_t keep = (uint8_t)~r->mask[off + i];
		uint8_t now = (uint8_t)((r->bytes[off + i] & keep) | (v & ~keep));
		r->bytes[off + i] = (uint8_t)(now & ~(v & r->clear[off + i]));
	}
}
