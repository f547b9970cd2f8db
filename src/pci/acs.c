/* SPDX-License-Identifier: MIT */
#include "pci/acs.h"

#include "base/num.h"
#include "pci/capability.h"

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdio.h>

#define WANTED (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF) /* REQ_ACS_FLAGS in iommu.c */
#define MULTI_FUNCTION 0x80 /* of PCI_HEADER_TYPE */

static struct pci_acs flags_judge(const struct pci_config *c)
{
	uint16_t off = pci_capability_find(c, PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_ACS);

	if (c->size <= 256)
		return (struct pci_acs){PCI_ACS_UNKNOWN, 0};
	if (!off)
		return (struct pci_acs){PCI_ACS_ABSENT, WANTED};
	uint16_t offered = pci_config_u16(c, off + PCI_ACS_CAP);
	uint16_t on = pci_config_u16(c, off + PCI_ACS_CTRL);
	uint16_t missing = (uint16_t)(WANTED & offered & ~on);
	return (struct pci_acs){missing ? PCI_ACS_LACKS : PCI_ACS_ISOLATES, missing};
}

struct pci_acs pci_acs_judge(const struct pci_config *c)
{
	struct pci_express x;

	/* An ordinary user can read only the first 64 bytes, which hold no capability. */
	if (c->size <= PCI_STD_HEADER_SIZEOF)
		return (struct pci_acs){PCI_ACS_UNKNOWN, 0};
	if (pci_express_read(c, &x) < 0)
		return (struct pci_acs){PCI_ACS_BRIDGE, WANTED};
	switch (x.type) {
	case PCI_EXP_TYPE_PCI_BRIDGE:
	case PCI_EXP_TYPE_PCIE_BRIDGE:
	case PCI_EXP_TYPE_RC_EC:
		return (struct pci_acs){PCI_ACS_BRIDGE, WANTED};
	case PCI_EXP_TYPE_ROOT_PORT:
	case PCI_EXP_TYPE_DOWNSTREAM:
		return flags_judge(c);
	default:
		break;
	}
	/* The only function of a device has no neighbour to reach. */
	if (!(pci_config_u8(c, PCI_HEADER_TYPE) & MULTI_FUNCTION))
		return (struct pci_acs){PCI_ACS_ISOLATES, 0};
	return flags_judge(c);
}

const char *pci_acs_bits(uint16_t bits, char *buf, size_t size)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{PCI_ACS_SV, "SV"},
		{PCI_ACS_RR, "RR"},
		{PCI_ACS_CR, "CR"},
		{PCI_ACS_UF, "UF"},
	};
	int len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < COUNT(names); i++)
		if (bits & names[i].bit && (size_t)len < size)
			len += snprintf(buf + len, size - (size_t)len, "%s%s", len ? " " : "",
				names[i].name);
	return buf;
}
