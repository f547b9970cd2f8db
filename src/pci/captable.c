/* SPDX-License-Identifier: MIT */
/* Capability ids in words. Ref: PCI Code and ID Assignment Specification 1.15, sections 2 and 3. */
#include "base/num.h"
#include "pci/capability.h"

static const char *const standard[] = {
	[0x01] = "Power Management",
	[0x02] = "AGP",
	[0x03] = "Vital Product Data",
	[0x04] = "Slot Identification",
	[0x05] = "MSI",
	[0x06] = "CompactPCI Hot Swap",
	[0x07] = "PCI-X",
	[0x08] = "HyperTransport",
	[0x09] = "Vendor Specific",
	[0x0a] = "Debug Port",
	[0x0b] = "CompactPCI Resource Control",
	[0x0c] = "Standard Hot-Plug",
	[0x0d] = "Bridge Subsystem Vendor ID",
	[0x0e] = "AGP 8x",
	[0x0f] = "Secure Device",
	[0x10] = "PCI Express",
	[0x11] = "MSI-X",
	[0x12] = "SATA Data/Index",
	[0x13] = "Advanced Features",
	[0x14] = "Enhanced Allocation",
	[0x15] = "Flattening Portal Bridge",
};

static const char *const extended[] = {
	[0x01] = "Advanced Error Reporting",
	[0x02] = "Virtual Channel",
	[0x03] = "Device Serial Number",
	[0x04] = "Power Budgeting",
	[0x05] = "Root Complex Link Declaration",
	[0x06] = "Root Complex Internal Link Control",
	[0x07] = "Root Complex Event Collector Association",
	[0x08] = "Multi-Function Virtual Channel",
	[0x09] = "Virtual Channel (MFVC)",
	[0x0a] = "Root Complex Register Block",
	[0x0b] = "Vendor Specific",
	[0x0c] = "Configuration Access Correlation",
	[0x0d] = "Access Control Services",
	[0x0e] = "Alternative Routing-ID",
	[0x0f] = "Address Translation Services",
	[0x10] = "SR-IOV",
	[0x11] = "MR-IOV",
	[0x12] = "Multicast",
	[0x13] = "Page Request",
	[0x15] = "Resizable BAR",
	[0x16] = "Dynamic Power Allocation",
	[0x17] = "TPH Requester",
	[0x18] = "Latency Tolerance Reporting",
	[0x19] = "Secondary PCI Express",
	[0x1a] = "Protocol Multiplexing",
	[0x1b] = "Process Address Space ID",
	[0x1c] = "LN Requester",
	[0x1d] = "Downstream Port Containment",
	[0x1e] = "L1 PM Substates",
	[0x1f] = "Precision Time Measurement",
	[0x20] = "M-PCIe",
	[0x21] = "FRS Queueing",
	[0x22] = "Readiness Time Reporting",
	[0x23] = "Designated Vendor Specific",
	[0x24] = "VF Resizable BAR",
	[0x25] = "Data Link Feature",
	[0x26] = "Physical Layer 16 GT/s",
	[0x27] = "Lane Margining",
	[0x28] = "Hierarchy ID",
	[0x29] = "Native PCIe Enclosure Management",
	[0x2a] = "Physical Layer 32 GT/s",
	[0x2b] = "Alternate Protocol",
	[0x2c] = "System Firmware Intermediary",
	[0x2d] = "Shadow Functions",
	[0x2e] = "Data Object Exchange",
	[0x2f] = "Device 3",
	[0x30] = "Integrity and Data Encryption",
	[0x31] = "Physical Layer 64 GT/s",
};

const char *pci_capability_name(enum pci_capability_kind kind, uint16_t id)
{
	if (kind == PCI_CAPABILITY_STANDARD)
		return id < COUNT(standard) ? standard[id] : NULL;
	return id < COUNT(extended) ? extended[id] : NULL;
}
