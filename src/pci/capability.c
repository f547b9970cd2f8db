/* SPDX-License-Identifier: MIT */
#include "pci/capability.h"

#include "base/bits.h"
#include "base/num.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#define DWORDS (PCI_CONFIG_BYTES / 4)
#define EXTENDED_START 0x100 /* PCI_CFG_SPACE_SIZE: where the extended list begins */

/* The dwords that a walk has visited, one bit each. */
struct trail {
	uint64_t seen[DWORDS / 64];
};

static bool trail_visit(struct trail *t, unsigned off)
{
	uint64_t bit = BIT64(off / 4 % 64), *word = &t->seen[off / 4 / 64];
	bool seen = *word & bit;

	*word |= bit;
	return seen;
}

static unsigned first_standard(const struct pci_config *c)
{
	/* CardBus bridges have the pointer at another offset. */
	bool cardbus = pci_config_header(c) == PCI_HEADER_TYPE_CARDBUS;

	if (c->size < PCI_STD_HEADER_SIZEOF ||
		!(pci_config_u16(c, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	return pci_config_u8(c, cardbus ? PCI_CB_CAPABILITY_LIST : PCI_CAPABILITY_LIST);
}

static size_t walk_standard(const struct pci_config *c, struct pci_capability *ret, size_t max)
{
	unsigned off = first_standard(c) & ~3u;
	struct trail trail = {0};
	size_t count = 0;

	while (off >= PCI_STD_HEADER_SIZEOF && range_ok(off, 2, c->size) &&
		!trail_visit(&trail, off)) {
		uint8_t id = pci_config_u8(c, off + PCI_CAP_LIST_ID);
		if (id == UINT8_MAX)
			break;
		if (count < max)
			ret[count] = (struct pci_capability){
				.kind = PCI_CAPABILITY_STANDARD,
				.id = id,
				.offset = (uint16_t)off,
			};
		count++;
		off = pci_config_u8(c, off + PCI_CAP_LIST_NEXT) & ~3u;
	}
	return count;
}

static size_t walk_extended(const struct pci_config *c, struct pci_capability *ret, size_t max)
{
	unsigned off = EXTENDED_START;
	struct trail trail = {0};
	size_t count = 0;

	while (off >= EXTENDED_START && range_ok(off, 4, c->size) && !trail_visit(&trail, off)) {
		uint32_t head = pci_config_u32(c, off);
		/* All zeroes: the list is empty. All ones: the device has no extended space. */
		if (head == 0 || head == UINT32_MAX)
			break;
		/* Id 0 is a placeholder: a device, or VFIO, hides a capability behind it. */
		if (PCI_EXT_CAP_ID(head) != 0) {
			if (count < max)
				ret[count] = (struct pci_capability){
					.kind = PCI_CAPABILITY_EXTENDED,
					.id = (uint16_t)PCI_EXT_CAP_ID(head),
					.offset = (uint16_t)off,
					.version = (uint8_t)PCI_EXT_CAP_VER(head),
				};
			count++;
		}
		off = PCI_EXT_CAP_NEXT(head);
	}
	return count;
}

size_t pci_capability_list(const struct pci_config *c, struct pci_capability *ret, size_t max)
{
	size_t count = walk_standard(c, ret, max);
	size_t stored = count < max ? count : max;

	return count + walk_extended(c, ret + stored, max - stored);
}

uint16_t pci_capability_find(const struct pci_config *c, enum pci_capability_kind kind, uint16_t id)
{
	struct pci_capability list[DWORDS];
	size_t count = kind == PCI_CAPABILITY_STANDARD ? walk_standard(c, list, COUNT(list))
						       : walk_extended(c, list, COUNT(list));

	for (size_t i = 0; i < count; i++)
		if (list[i].id == id)
			return list[i].offset;
	return 0;
}

/* Return: offset of a capability of which @len bytes lie in the image; 0: there is none. */
static uint16_t find_whole(
	const struct pci_config *c, enum pci_capability_kind kind, uint16_t id, unsigned len)
{
	uint16_t off = pci_capability_find(c, kind, id);

	return off && range_ok(off, len, c->size) ? off : 0;
}

int pci_msix_read(const struct pci_config *c, struct pci_msix *ret)
{
	uint16_t off = find_whole(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	if (!off)
		return -ENOENT;
	uint16_t flags = pci_config_u16(c, off + PCI_MSIX_FLAGS);
	uint32_t table = pci_config_u32(c, off + PCI_MSIX_TABLE);
	uint32_t pba = pci_config_u32(c, off + PCI_MSIX_PBA);
	struct pci_msix m = {
		.offset = off,
		.count = (uint16_t)((flags & PCI_MSIX_FLAGS_QSIZE) + 1),
		.table_bar = table & PCI_MSIX_TABLE_BIR,
		.table_offset = table & PCI_MSIX_TABLE_OFFSET,
		.pba_bar = pba & PCI_MSIX_PBA_BIR,
		.pba_offset = pba & PCI_MSIX_PBA_OFFSET,
	};
	if (m.table_bar >= PCI_BAR_COUNT || m.pba_bar >= PCI_BAR_COUNT)
		return -EINVAL;
	m.table_size = m.count * PCI_MSIX_ENTRY_SIZE;
	m.pba_size = (uint32_t)align_up(m.count, 64) / 8;
	*ret = m;
	return 0;
}

int pci_msi_read(const struct pci_config *c, struct pci_msi *ret)
{
	uint16_t off = find_whole(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_MSI, PCI_MSI_RFU + 1);

	if (!off)
		return -ENOENT;
	uint16_t flags = pci_config_u16(c, off + PCI_MSI_FLAGS);
	unsigned order = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	if (order > 5)
		return -EINVAL;
	bool is_64 = flags & PCI_MSI_FLAGS_64BIT, can_mask = flags & PCI_MSI_FLAGS_MASKBIT;
	*ret = (struct pci_msi){
		.offset = off,
		.count = (uint8_t)(1u << order),
		.size = (uint8_t)(10 + (is_64 ? 4 : 0) + (can_mask ? 10 : 0)),
		.is_64 = is_64,
		.can_mask = can_mask,
	};
	return 0;
}

int pci_express_read(const struct pci_config *c, struct pci_express *ret)
{
	uint16_t off = find_whole(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_EXP, PCI_EXP_DEVCAP + 4);

	if (!off)
		return -ENOENT;
	uint16_t flags = pci_config_u16(c, off + PCI_EXP_FLAGS);
	struct pci_express x = {
		.offset = off,
		.version = flags & PCI_EXP_FLAGS_VERS,
		.type = (uint8_t)((flags & PCI_EXP_FLAGS_TYPE) >> 4),
		.has_flr = pci_config_u32(c, off + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR,
	};
	/* Root complex integrated endpoints have no link registers in version 1 (7.5.3). */
	if (x.type != PCI_EXP_TYPE_RC_END && x.type != PCI_EXP_TYPE_RC_EC &&
		range_ok(off, PCI_EXP_LNKSTA + 2, c->size)) {
		uint32_t cap = pci_config_u32(c, off + PCI_EXP_LNKCAP);
		uint16_t now = pci_config_u16(c, off + PCI_EXP_LNKSTA);

		x.speed = now & PCI_EXP_LNKSTA_CLS;
		x.width = (uint8_t)((now & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT);
		x.speed_max = cap & PCI_EXP_LNKCAP_SLS;
		x.width_max = (uint8_t)((cap & PCI_EXP_LNKCAP_MLW) >> 4);
	}
	if (flags & PCI_EXP_FLAGS_SLOT && range_ok(off, PCI_EXP_SLTCAP + 4, c->size))
		x.slot = (uint8_t)(pci_config_u32(c, off + PCI_EXP_SLTCAP) >> 19);
	*ret = x;
	return 0;
}

const char *pci_express_type_name(uint8_t type)
{
	static const char *const names[] = {
		[PCI_EXP_TYPE_ENDPOINT] = "endpoint",
		[PCI_EXP_TYPE_LEG_END] = "legacy endpoint",
		[PCI_EXP_TYPE_ROOT_PORT] = "root port",
		[PCI_EXP_TYPE_UPSTREAM] = "upstream switch port",
		[PCI_EXP_TYPE_DOWNSTREAM] = "downstream switch port",
		[PCI_EXP_TYPE_PCI_BRIDGE] = "PCIe-to-PCI bridge",
		[PCI_EXP_TYPE_PCIE_BRIDGE] = "PCI-to-PCIe bridge",
		[PCI_EXP_TYPE_RC_END] = "root complex integrated endpoint",
		[PCI_EXP_TYPE_RC_EC] = "root complex event collector",
	};

	return type < COUNT(names) && names[type] ? names[type] : "reserved";
}

int pci_power_read(const struct pci_config *c, struct pci_power *ret)
{
	uint16_t off = find_whole(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	if (!off)
		return -ENOENT;
	uint16_t control = pci_config_u16(c, off + PCI_PM_CTRL);
	*ret = (struct pci_power){
		.offset = off,
		.state = control & PCI_PM_CTRL_STATE_MASK,
		.no_soft_reset = control & PCI_PM_CTRL_NO_SOFT_RESET,
	};
	return 0;
}

int pci_sriov_read(const struct pci_config *c, struct pci_sriov *ret)
{
	uint16_t off = find_whole(
		c, PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF);

	if (!off)
		return -ENOENT;
	*ret = (struct pci_sriov){
		.offset = off,
		.total = pci_config_u16(c, off + PCI_SRIOV_TOTAL_VF),
		.active = pci_config_u16(c, off + PCI_SRIOV_NUM_VF),
		.first = pci_config_u16(c, off + PCI_SRIOV_VF_OFFSET),
		.stride = pci_config_u16(c, off + PCI_SRIOV_VF_STRIDE),
		.device = pci_config_u16(c, off + PCI_SRIOV_VF_DID),
	};
	/* NumVFs keeps its last value when the functions are turned off. */
	if (!(pci_config_u16(c, off + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE))
		ret->active = 0;
	return 0;
}

bool pci_has_flr(const struct pci_config *c)
{
	struct pci_express x;
	uint16_t af = find_whole(c, PCI_CAPABILITY_STANDARD, PCI_CAP_ID_AF, PCI_CAP_AF_SIZEOF);

	if (pci_express_read(c, &x) == 0 && x.has_flr)
		return true;
	return af && pci_config_u8(c, af + PCI_AF_CAP) & PCI_AF_CAP_FLR;
}

int pci_serial_read(const struct pci_config *c, uint64_t *ret)
{
	uint16_t off =
		find_whole(c, PCI_CAPABILITY_EXTENDED, PCI_EXT_CAP_ID_DSN, PCI_EXT_CAP_DSN_SIZEOF);

	if (!off)
		return -ENOENT;
	*ret = (uint64_t)pci_config_u32(c, off + 8) << 32 | pci_config_u32(c, off + 4);
	return 0;
}
