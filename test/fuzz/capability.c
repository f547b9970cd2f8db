/* SPDX-License-Identifier: MIT */
/*
 * A configuration space of any content and length: all that is read from one.
 *
 * covers: src/pci/capability.c src/pci/acs.c src/pci/config.c
 */
#include "base/num.h"
#include "pci/acs.h"
#include "pci/bar.h"
#include "pci/capability.h"
#include "require.h"

#include <linux/pci_regs.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct pci_config *c)
{
	static struct pci_capability list[PCI_CAPABILITY_MAX];
	size_t n = pci_capability_list(c, list, PCI_CAPABILITY_MAX);
	struct pci_capability few[2];

	require(n <= PCI_CAPABILITY_MAX, "no more capabilities than there is room for");
	require(pci_capability_list(c, few, 2) == n, "their number does not hang on the buffer");
	for (size_t i = 0; i < n; i++) {
		const struct pci_capability *x = &list[i];
		bool extended = x->kind == PCI_CAPABILITY_EXTENDED;

		require(x->offset >= (extended ? 0x100 : 0x40) && x->offset % 4 == 0 &&
				x->offset < c->size,
			"each lies in its part of the space");
		for (size_t k = 0; k < i; k++)
			require(list[k].offset != x->offset, "none is met twice");
		require(pci_capability_find(c, x->kind, x->id) != 0, "what is listed is found");
		(void)pci_capability_name(x->kind, x->id);
	}
}

static void read_all(const struct pci_config *c)
{
	struct pci_msix msix;
	struct pci_msi msi;
	struct pci_express express;
	struct pci_power power;
	struct pci_sriov sriov;
	uint64_t serial;
	char bits[16];

	if (pci_msix_read(c, &msix) == 0) {
		require(msix.count >= 1 && msix.count <= 2048, "MSI-X has 1 to 2048 vectors");
		require(msix.table_bar < 6 && msix.pba_bar < 6, "its tables are in BARs");
	}
	if (pci_msi_read(c, &msi) == 0)
		require(is_pow2(msi.count) && msi.count <= 32, "MSI has 1 to 32 vectors");
	if (pci_express_read(c, &express) == 0)
		(void)pci_express_type_name(express.type);
	if (pci_power_read(c, &power) == 0)
		require(power.state <= 3, "power states are D0 to D3");
	(void)pci_sriov_read(c, &sriov);
	(void)pci_has_flr(c);
	(void)pci_serial_read(c, &serial);
	struct pci_acs acs = pci_acs_judge(c);
	(void)pci_acs_bits(acs.missing, bits, sizeof(bits));
	for (unsigned i = 0; i < PCI_BAR_COUNT; i++)
		(void)pci_bar_decode(c, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pci_config c;

	c.size = min_u64(size, sizeof(c.bytes));
	memset(c.bytes, 0, sizeof(c.bytes));
	memcpy(c.bytes, data, c.size);
	walk(&c);
	read_all(&c);
	return 0;
}
