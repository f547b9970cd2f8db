/* SPDX-License-Identifier: MIT */
#include "vmm/pci/link.h"

#include "base/bits.h"
#include "vmm/pci/root.h"

#include <linux/pci_regs.h>

#define CAPS_MAX 48 /* 192 bytes of 4: a longer list is a circle */
#define SPEED_MAX 7U /* of the seven bits of Link Capabilities 2 */

#define LINK_CAPABILITY (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW)
#define LINK_STATUS (PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW)

static uint32_t func_read(struct pci_func *f, unsigned off, unsigned size)
{
	return f->ops->config_read(f, off, size) & (uint32_t)all_ones(size);
}

/* Offset of the PCI Express capability, 0: there is none. */
static uint8_t find_express(struct pci_func *f)
{
	if (!(func_read(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	unsigned at = func_read(f, PCI_CAPABILITY_LIST, 1) & ~3U;
	for (unsigned i = 0; i < CAPS_MAX && at >= PCI_STD_HEADER_SIZEOF; i++) {
		if (func_read(f, at + PCI_CAP_LIST_ID, 1) == PCI_CAP_ID_EXP)
			return at <= 256 - PCI_CAP_EXP_ENDPOINT_SIZEOF_V1 ? (uint8_t)at : 0;
		at = func_read(f, at + PCI_CAP_LIST_NEXT, 1) & ~3U;
	}
	return 0;
}

struct pcie_link link_default(void)
{
	return (struct pcie_link){
		.capability = PCI_EXP_LNKCAP_SLS_2_5GB | 1U << 4,
		.speeds = PCI_EXP_LNKCAP2_SLS_2_5GB,
		.status = PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1,
	};
}

/* The vector of speeds; registers of version 1 have none, and then all up to the highest count. */
static uint32_t read_speeds(struct pci_func *f, unsigned at, unsigned highest)
{
	unsigned version = func_read(f, at + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS;
	uint32_t speeds = 0;

	if (version >= 2 && at + PCI_EXP_LNKCAP2 + 4 <= 256)
		speeds = func_read(f, at + PCI_EXP_LNKCAP2, 4) & (uint32_t)low_bits(SPEED_MAX + 1) &
			 ~1U;
	return speeds ? speeds : (uint32_t)low_bits(highest + 1) & ~1U;
}

bool link_refresh(struct pcie_link *l, struct pci_func *f)
{
	uint32_t status = l->express ? func_read(f, l->express + PCI_EXP_LNKSTA, 2) : UINT16_MAX;

	if (status == UINT16_MAX)
		return false;
	/* A virtual function leaves both fields 0: its link is the physical function's. */
	if (!(status & PCI_EXP_LNKSTA_CLS) || !(status & PCI_EXP_LNKSTA_NLW))
		status = l->capability;
	l->status = (uint16_t)(status & LINK_STATUS);
	return true;
}

struct pcie_link link_read(struct pci_func *f)
{
	struct pcie_link l = {.express = find_express(f)};

	if (!l.express)
		return link_default();
	l.capability = func_read(f, l.express + PCI_EXP_LNKCAP, 4) & LINK_CAPABILITY;
	unsigned speed = l.capability & PCI_EXP_LNKCAP_SLS;
	if (!speed || speed > SPEED_MAX || !(l.capability & PCI_EXP_LNKCAP_MLW))
		return link_default();
	l.speeds = read_speeds(f, l.express, speed);
	return link_refresh(&l, f) ? l : link_default();
}
