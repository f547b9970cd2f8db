/* SPDX-License-Identifier: MIT */
#include "pci/bar.h"

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"
#include "pci/device.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

/* Flags of a `resource` line: from the kernel's linux/ioport.h, which is not a UAPI header. */
#define RESOURCE_IO 0x00000100
#define RESOURCE_MEM 0x00000200
#define RESOURCE_PREFETCH 0x00002000
#define RESOURCE_MEM_64 0x00100000
#define RESOURCE_UNSET 0x20000000

const char *pci_bar_kind_name(enum pci_bar_kind kind)
{
	static const char *const names[] = {
		[PCI_BAR_NONE] = "none",
		[PCI_BAR_IO] = "I/O ports",
		[PCI_BAR_MEM32] = "memory",
		[PCI_BAR_MEM64] = "64-bit memory",
		[PCI_BAR_ROM] = "ROM",
	};

	return names[kind];
}

static bool is_upper_half(const struct pci_config *c, unsigned index)
{
	bool upper = false;

	for (unsigned i = 0; i < index; i++)
		upper = !upper && pci_bar_decode(c, i).kind == PCI_BAR_MEM64;
	return upper;
}

struct pci_bar pci_bar_decode(const struct pci_config *c, unsigned index)
{
	struct pci_bar b = {.index = (uint8_t)index};

	if (index >= PCI_BAR_COUNT || c->size < PCI_STD_HEADER_SIZEOF || is_upper_half(c, index))
		return b;
	uint32_t value = pci_config_u32(c, PCI_BASE_ADDRESS_0 + 4 * index);
	if (value == 0)
		return b;
	if (value & PCI_BASE_ADDRESS_SPACE_IO) {
		b.kind = PCI_BAR_IO;
		return b;
	}
	b.kind = (value & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64
			 ? PCI_BAR_MEM64
			 : PCI_BAR_MEM32;
	b.prefetchable = value & PCI_BASE_ADDRESS_MEM_PREFETCH;
	return b;
}

static enum pci_bar_kind kind_of_resource(unsigned index, uint64_t flags)
{
	if (index == PCI_BAR_ROM_INDEX)
		return PCI_BAR_ROM;
	if (flags & RESOURCE_IO)
		return PCI_BAR_IO;
	if (!(flags & RESOURCE_MEM))
		return PCI_BAR_NONE;
	return flags & RESOURCE_MEM_64 ? PCI_BAR_MEM64 : PCI_BAR_MEM32;
}

int pci_bar_parse(const char *text, struct pci_bar ret[PCI_BAR_MAX])
{
	int count = 0;

	/* Lines after the ROM's are a bridge's windows and an SR-IOV function's BARs. */
	for (unsigned i = 0; i < PCI_BAR_MAX && *text; i++) {
		uint64_t start, end, flags;
		size_t len = strcspn(text, "\n");
		int used = 0;

		if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 "%n", &start, &end, &flags,
			    &used) != 3 ||
			(size_t)used > len)
			return -EINVAL;
		text += len + (text[len] == '\n');
		if (kind_of_resource(i, flags) == PCI_BAR_NONE || end <= start)
			continue;
		ret[count++] = (struct pci_bar){
			.index = (uint8_t)i,
			.kind = kind_of_resource(i, flags),
			.prefetchable = flags & RESOURCE_PREFETCH,
			.assigned = !(flags & RESOURCE_UNSET) && start,
			.address = flags & RESOURCE_UNSET ? 0 : start,
			.size = end - start + 1,
		};
	}
	return count;
}

int pci_bar_read(
	struct host *h, struct pci_address a, struct pci_bar ret[PCI_BAR_MAX], struct err *e)
{
	char path[FILE_PATH_MAX], text[2048], address[PCI_ADDRESS_TEXT];

	int r = pci_device_path(a, "resource", path, sizeof(path));
	if (r < 0)
		return r;
	r = host_read_text(h, path, text, sizeof(text));
	if (r >= 0)
		r = pci_bar_parse(text, ret);
	if (r < 0)
		return err_set(e, r, "%s: read its BARs", pci_address_format(a, address));
	return r;
}
