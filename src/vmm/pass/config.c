/* SPDX-License-Identifier: MIT */
#include "vmm/pass/config.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#define CAPS_MAX 48 /* 192 bytes of 4: a longer list is a circle */

static void note_cap(struct pass_config *c, uint8_t pos)
{
	switch (c->raw[pos]) {
	case PCI_CAP_ID_PM:
		c->pm = pos;
		break;
	case PCI_CAP_ID_MSI:
		c->msi = pos;
		break;
	case PCI_CAP_ID_MSIX:
		c->msix = pos;
		break;
	case PCI_CAP_ID_EXP:
		c->express = pos;
		break;
	case PCI_CAP_ID_AF:
		c->af = pos;
		break;
	case PCI_CAP_ID_EA:
		c->ea = pos;
		break;
	default:
		break;
	}
}

static void find_caps(struct pass_config *c)
{
	unsigned pos = c->raw[PCI_CAPABILITY_LIST] & ~3U;

	if (!(le16_get(c->raw + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return;
	for (unsigned i = 0; i < CAPS_MAX && pos >= PCI_STD_HEADER_SIZEOF; i++) {
		note_cap(c, (uint8_t)pos);
		pos = c->raw[pos + PCI_CAP_LIST_NEXT] & ~3U;
	}
}

/*
 * 10, 14, 20 or 24 bytes. Ref: PCI Local Bus 3.0 6.8.1. A capability starts at 252 at most, so its
 * control register is always there.
 */
static unsigned msi_size(const struct pass_config *c)
{
	unsigned flags = le16_get(c->raw + c->msi + PCI_MSI_FLAGS);

	return 10 + (flags & PCI_MSI_FLAGS_64BIT ? 4 : 0) +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

/* Hides capabilities whose registers do not end within the 256 bytes. */
static void drop_cut(struct pass_config *c)
{
	if (c->pm > 256 - PCI_PM_SIZEOF)
		c->pm = 0;
	if (c->msi && c->msi > 256 - msi_size(c))
		c->msi = 0;
	if (c->msix > 256 - PCI_CAP_MSIX_SIZEOF)
		c->msix = 0;
	if (c->express > 256 - PCI_CAP_EXP_ENDPOINT_SIZEOF_V1)
		c->express = 0;
	if (c->af > 256 - PCI_CAP_AF_SIZEOF)
		c->af = 0;
}

/*
 * The guest sees the function behind a root port, as an endpoint. A function that is integrated
 * into the host's root complex (an iGPU, a DSA) has no link, and an endpoint must have one.
 */
static int shape_express(struct pass_config *c, struct err *e)
{
	if (!c->express)
		return 0;
	unsigned at = c->express, flags = le16_get(c->raw + at + PCI_EXP_FLAGS);
	unsigned type = (flags & PCI_EXP_FLAGS_TYPE) >> 4;

	if (type != PCI_EXP_TYPE_ENDPOINT && type != PCI_EXP_TYPE_LEG_END &&
		type != PCI_EXP_TYPE_RC_END)
		return err_say(e, -EINVAL, "not an endpoint (PCI Express type %u)", type);
	if (!(flags & PCI_EXP_FLAGS_VERS)) /* virtual functions of an 82599 report 0 */
		flags |= 1;
	if (type == PCI_EXP_TYPE_RC_END) {
		flags &= ~(unsigned)PCI_EXP_FLAGS_TYPE;
		pass_config_emulate(c, at + PCI_EXP_LNKCAP, 4,
			PCI_EXP_LNKCAP_SLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1, 0);
		pass_config_emulate(c, at + PCI_EXP_LNKCTL, 4,
			(PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1) << 16, 0);
	}
	pass_config_emulate(c, at + PCI_EXP_FLAGS, 2, flags, 0);
	return 0;
}

int pass_config_init(struct pass_config *c, struct err *e)
{
	if (le32_get(c->raw) == UINT32_MAX)
		return err_say(e, -ENODEV, "the device does not answer: it reads all-ones");
	if ((c->raw[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return err_say(e, -EINVAL, "a bridge cannot be passed through");
	find_caps(c);
	drop_cut(c);
	/* The host's addresses, bus numbers and interrupt line mean nothing in the guest. */
	pass_config_emulate_bits(c, PCI_HEADER_TYPE, 1, PASS_MULTIFUNCTION, 0);
	for (unsigned off = PCI_BASE_ADDRESS_0; off <= PCI_CARDBUS_CIS; off += 4)
		pass_config_emulate(c, off, 4, 0, 0);
	pass_config_emulate(c, PCI_ROM_ADDRESS, 4, 0, 0);
	pass_config_emulate(c, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	pass_config_emulate(c, PCI_INTERRUPT_PIN, 1, 0, 0);
	return shape_express(c, e);
}

void pass_config_emulate(
	struct pass_config *c, unsigned off, unsigned size, uint32_t value, uint32_t write)
{
	le_put(c->value + off, size, value);
	le_put(c->mask + off, size, UINT32_MAX);
	le_put(c->write + off, size, write);
}

void pass_config_emulate_bits(
	struct pass_config *c, unsigned off, unsigned size, uint32_t bits, uint32_t value)
{
	uint32_t mask = (uint32_t)le_get(c->mask + off, size);
	uint32_t old = (uint32_t)le_get(c->value + off, size);

	le_put(c->mask + off, size, mask | bits);
	le_put(c->value + off, size, (old & ~bits) | (value & bits));
}

void pass_config_blank(struct pass_config *c, unsigned off, unsigned len)
{
	memset(c->value + off, 0, len);
	memset(c->mask + off, 0xff, len);
	memset(c->write + off, 0, len);
}

bool pass_config_emulated(const struct pass_config *c, unsigned off, unsigned size)
{
	return le_get(c->mask + off, size) == all_ones(size);
}

uint32_t pass_config_merge(
	const struct pass_config *c, unsigned off, unsigned size, uint32_t physical)
{
	uint32_t mask = (uint32_t)le_get(c->mask + off, size);

	return (pass_config_get(c, off, size) & mask) | (physical & ~mask);
}

void pass_config_store(struct pass_config *c, unsigned off, unsigned size, uint32_t value)
{
	uint32_t write = (uint32_t)le_get(c->write + off, size);

	le_put(c->value + off, size, (pass_config_get(c, off, size) & ~write) | (value & write));
}

uint32_t pass_config_get(const struct pass_config *c, unsigned off, unsigned size)
{
	return (uint32_t)le_get(c->value + off, size);
}
