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
 * Configuration space as the guest sees it. Bits in `mask` are emulated: they read from `value`,
 * and the guest may change those in `write`. All others are the device's own. This is data alone:
 * vmm/pass/function acts on accesses.
 */
struct pass_config {
	unsigned size; /* 256 or 4096 [bytes], as VFIO reports it */
	uint8_t raw[PCI_CONFIG_SIZE]; /* the device's own, when it was opened */
	uint8_t value[PCI_CONFIG_SIZE];
	uint8_t mask[PCI_CONFIG_SIZE];
	uint8_t write[PCI_CONFIG_SIZE];
	/* Offsets of capabilities that usher acts on; 0: absent. */
	uint8_t express;
	uint8_t pm;
	uint8_t msi;
	uint8_t msix;
	uint8_t af;
	uint8_t ea;
};

/*
 * Reads @c->raw, finds the capabilities, and emulates what no guest may get from the device.
 * Return: 0; -ENODEV the device reads all-ones; -EINVAL a bridge.
 */
int pass_config_init(struct pass_config *c, struct err *e);

/* Emulates all bits of [@off, +@size) as @value; the guest may change those of @write. */
void pass_config_emulate(
	struct pass_config *c, unsigned off, unsigned size, uint32_t value, uint32_t write);

/* Emulates @bits alone; the other bits stay as they are. */
void pass_config_emulate_bits(
	struct pass_config *c, unsigned off, unsigned size, uint32_t bits, uint32_t value);

/* Makes [@off, +@len) read as zero and ignore writes. */
void pass_config_blank(struct pass_config *c, unsigned off, unsigned len);

/* True if all bits of [@off, +@size) are emulated: no access needs to reach the device. */
bool pass_config_emulated(const struct pass_config *c, unsigned off, unsigned size);

/* Return: what the guest reads if the device reads @physical. */
uint32_t pass_config_merge(
	const struct pass_config *c, unsigned off, unsigned size, uint32_t physical);

/* Stores a write of the guest in the emulated bits. */
void pass_config_store(struct pass_config *c, unsigned off, unsigned size, uint32_t value);

/* Return: the emulated value, of 1, 2 or 4 bytes. */
uint32_t pass_config_get(const struct pass_config *c, unsigned off, unsigned size);

/*
 * Return: whether a write of @value to [@off, +@size) covers the byte at @at; *@ret is that byte.
 */
static inline bool pass_config_byte(
	unsigned at, unsigned off, unsigned size, uint32_t value, uint8_t *ret)
{
	if (at < off || at - off >= size)
		return false;
	*ret = (uint8_t)(value >> (8 * (at - off)));
	return true;
}

/*
 * Links the two capability lists anew, without capabilities that a guest must not see. Hidden are
 * enhanced allocation (fixed BARs) and capabilities whose offset above was set to 0 (MSI and MSI-X
 * that do not work). Of the extended ones hidden are SR-IOV, ARI, ATS, PRI, PASID, DPC, PTM, L1
 * substates and TPH: they are about the host's bus, about an IOMMU that the guest does not have, or
 * about BARs whose size is fixed. See vmm/pass/chain.c.
 */
void pass_chain_link(struct pass_config *c);

#endif
