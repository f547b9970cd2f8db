/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A capability keeps its offset, because drivers and firmware remember offsets. A hidden one is
 * skipped: the `next` of its predecessor points past it, and its registers read as zero. The first
 * extended capability must be at 0x100: if hidden, it becomes a null capability with the link.
 *
 * Both lists come from a device: a pointer may lead anywhere, so each offset is visited once.
 */
#include "base/bits.h"
#include "base/endian.h"
#include "base/num.h"
#include "vmm/pass/config.h"

#include <linux/pci_regs.h>
#include <string.h>

#define STD_MAX 48
#define EXT_FIRST 0x100U
#define EXT_MAX ((PCI_CONFIG_SIZE - EXT_FIRST) / 4)
#define EXT_BODY_MAX 0x100U /* [bytes]; no hidden capability is longer */

/* A pair of registers for each BAR. Ref: PCI Express Base 7.8.6; sizes are 2^(20 + n). */
#define REBAR_STEP 8
#define REBAR_SIZE 0x3f00U /* six bits since revision 4.0; the header has five */
#define REBAR_SIZE_MAX 27 /* the capability register has no bit for larger ones */

/* Not in Debian 12's header. Ref: PCI Code and ID Assignment, extended capability IDs. */
#define EXT_ID_VF_REBAR 0x24

static bool was_visited(uint64_t *seen, unsigned pos)
{
	uint64_t bit = BIT64(pos / 4 % 64), *word = &seen[pos / 4 / 64];
	bool was = *word & bit;

	*word |= bit;
	return was;
}

static bool keeps_std(const struct pass_config *c, unsigned pos)
{
	switch (c->raw[pos]) {
	case PCI_CAP_ID_EA:
		return false;
	case PCI_CAP_ID_MSI:
		return c->msi == pos;
	case PCI_CAP_ID_MSIX:
		return c->msix == pos;
	default:
		return true;
	}
}

static void link_std(struct pass_config *c)
{
	uint64_t seen[PCI_CONFIG_SIZE / 4 / 64] = {0};
	unsigned pos = c->raw[PCI_CAPABILITY_LIST] & ~3U, link = PCI_CAPABILITY_LIST;
	bool any = false;

	if (!(le16_get(c->raw + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		pos = 0;
	for (unsigned n = 0; n < STD_MAX && pos >= PCI_STD_HEADER_SIZEOF; n++) {
		if (was_visited(seen, pos))
			break;
		unsigned next = c->raw[pos + PCI_CAP_LIST_NEXT] & ~3U;
		if (keeps_std(c, pos)) {
			pass_config_emulate(c, link, 1, pos, 0);
			link = pos + PCI_CAP_LIST_NEXT;
			any = true;
		} else {
			pass_config_blank(c, pos, 4);
		}
		pos = next;
	}
	pass_config_emulate(c, link, 1, 0, 0);
	pass_config_emulate_bits(
		c, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, any ? PCI_STATUS_CAP_LIST : 0);
}

static bool keeps_ext(uint32_t header)
{
	switch (PCI_EXT_CAP_ID(header)) {
	case 0: /* null: VFIO hides some capabilities this way */
	case PCI_EXT_CAP_ID_ARI:
	case PCI_EXT_CAP_ID_ATS:
	case PCI_EXT_CAP_ID_SRIOV:
	case PCI_EXT_CAP_ID_MRIOV:
	case PCI_EXT_CAP_ID_PRI:
	case PCI_EXT_CAP_ID_TPH:
	case PCI_EXT_CAP_ID_PASID:
	case PCI_EXT_CAP_ID_DPC:
	case PCI_EXT_CAP_ID_L1SS:
	case PCI_EXT_CAP_ID_PTM:
	case EXT_ID_VF_REBAR:
		return false;
	default:
		return true;
	}
}

/* The capability at @pos ends where the next higher one starts, if not before. */
static unsigned ext_length(const uint16_t *all, unsigned count, unsigned pos)
{
	unsigned end = (unsigned)min_u64(pos + EXT_BODY_MAX, PCI_CONFIG_SIZE);

	for (unsigned i = 0; i < count; i++)
		if (all[i] > pos && all[i] < end)
			end = all[i];
	return end - pos;
}

static unsigned walk_ext(const struct pass_config *c, uint16_t all[EXT_MAX])
{
	uint64_t seen[PCI_CONFIG_SIZE / 4 / 64] = {0};
	unsigned pos = EXT_FIRST, count = 0;

	while (pos >= EXT_FIRST && !was_visited(seen, pos)) {
		uint32_t header = le32_get(c->raw + pos);
		if (!header || header == UINT32_MAX)
			break;
		all[count++] = (uint16_t)pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return count;
}

/*
 * Shows resizable BARs with their present size as the only one: another size would change what the
 * host's kernel has mapped. Return: false if the capability is invalid and has to be hidden.
 */
static bool shape_rebar(struct pass_config *c, unsigned pos, unsigned len)
{
	unsigned count = (le32_get(c->raw + pos + PCI_REBAR_CTRL) & PCI_REBAR_CTRL_NBAR_MASK) >>
			 PCI_REBAR_CTRL_NBAR_SHIFT;

	if (!count || count > PCI_STD_NUM_BARS || len < 4 + REBAR_STEP * count)
		return false;
	for (unsigned at = pos; at < pos + REBAR_STEP * count; at += REBAR_STEP) {
		uint32_t ctrl = le32_get(c->raw + at + PCI_REBAR_CTRL);
		unsigned size = (ctrl & REBAR_SIZE) >> PCI_REBAR_CTRL_BAR_SHIFT;
		if (size > REBAR_SIZE_MAX)
			return false;
		pass_config_emulate(c, at + PCI_REBAR_CAP, 4, BIT32(size + 4), 0);
		pass_config_emulate(c, at + PCI_REBAR_CTRL, 4,
			ctrl & (PCI_REBAR_CTRL_BAR_IDX | PCI_REBAR_CTRL_NBAR_MASK | REBAR_SIZE), 0);
	}
	return true;
}

static void link_ext(struct pass_config *c)
{
	uint16_t all[EXT_MAX];
	unsigned count = walk_ext(c, all), link = EXT_FIRST;

	for (unsigned i = 0; i < count; i++) {
		unsigned pos = all[i];
		uint32_t header = le32_get(c->raw + pos);
		unsigned len = ext_length(all, count, pos);
		bool kept = PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_REBAR
				    ? shape_rebar(c, pos, len)
				    : keeps_ext(header);
		if (kept) {
			pass_config_emulate_bits(c, link, 4, 0xfff00000, pos << 20);
			link = pos;
		} else {
			pass_config_blank(c, pos, len);
		}
	}
	/* A head that is kept links to itself: it is the first one that is linked. */
	pass_config_emulate_bits(c, link, 4, 0xfff00000, 0);
}

void pass_chain_link(struct pass_config *c)
{
	link_std(c);
	if (c->size > EXT_FIRST)
		link_ext(c);
}
