/* SPDX-License-Identifier: MIT */
#ifndef VMM_PASS_CONFIG_H
#define VMM_PASS_CONFIG_H

#include "vmm/pci/root.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Of the header type; PCI_HEADER_TYPE_MFD of newer headers. */
#define PASS_MULTIFUNCTION 0x80

/*
 * Configuration space as the guest sees it: the device's own, but for the bits in `mask`, which
 * are answered from `value`; of those the guest may change the bits in `write`. Everything here is
 * data: what an access does to the machine is vmm/pass/function's affair.
 */
struct pass_config {
	unsigned size; /* 256 or 4096 [bytes]: what VFIO has of it */
	uint8_t raw[PCI_CONFIG_SIZE]; /* as the device had it when it was opened */
	uint8_t value[PCI_CONFIG_SIZE];
	uint8_t mask[PCI_CONFIG_SIZE];
	uint8_t write[PCI_CONFIG_SIZE];
	/* Capabilities that matter to the machine, by offset; 0: not there. */
	uint8_t express;
	uint8_t pm;
	uint8_t msi;
	uint8_t msix;
	uint8_t af;
	uint8_t ea;
};

/*
 * Learns from @c->raw and @c->size: takes a type 0 header, finds the capabilities, emulates what
 * is never the device's own. Return: 0; -ENODEV the device reads all-ones; -EINVAL a bridge.
 */
int pass_config_init(struct pass_config *c, struct err *e);

/* Bits of [@off, +@size] that are answered from @value, and those that the guest may change. */
void pass_config_emulate(
	struct pass_config *c, unsigned off, unsigned size, uint32_t value, uint32_t write);

/* The same for @bits alone; the others stay as they are. */
void pass_config_emulate_bits(
	struct pass_config *c, unsigned off, unsigned size, uint32_t bits, uint32_t value);

/* [@off, +@len) reads as zero and takes no write. */
void pass_config_blank(struct pass_config *c, unsigned off, unsigned len);

/* True when the device need not be asked for [@off, +@size), or told of a write to it. */
bool pass_config_emulated(const struct pass_config *c, unsigned off, unsigned size);

/* What the guest reads: @physical is what the device said. */
uint32_t pass_config_merge(
	const struct pass_config *c, unsigned off, unsigned size, uint32_t physical);

/* What a guest's write leaves in the emulated bits. */
void pass_config_store(struct pass_config *c, unsigned off, unsigned size, uint32_t value);

/* The emulated value alone, 1, 2 or 4 bytes. */
uint32_t pass_config_get(const struct pass_config *c, unsigned off, unsigned size);

/* A write of @value to [@off, +@size). Return: whether it covers the byte at @at, which is *@ret. */
static inline bool pass_config_byte(
	unsigned at, unsigned off, unsigned size, uint32_t value, uint8_t *ret)
{
	if (at < off || at - off >= size)
		return false;
	*ret = (uint8_t)(value >> (8 * (at - off)));
	return true;
}

/*
 * Relinks the two capability lists without those that a guest must not see: enhanced allocation
 * (fixed BARs), capabilities whose offset above was set to 0 again (MSI, MSI-X that do not work),
 * and of the extended ones SR-IOV, ARI, ATS, PRI, PASID, DPC, PTM, L1 substates and TPH: they speak of the host's bus, of an IOMMU that the guest does not have, or of BARs
 * that stay as they are. See vmm/pass/chain.c.
 */
void pass_chain_link(struct pass_config *c);

#endif
