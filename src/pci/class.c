/* SPDX-License-Identifier: MIT */
#include "pci/class.h"

#include "base/num.h"

#include <stddef.h>

#define ANY 0x100 /* stands for each subclass or interface that has no row of its own */

struct class_name {
	uint8_t base;
	uint16_t sub;
	uint16_t interface;
	const char *name;
};

static const struct class_name names[] = {
	{0x00, 0x00, ANY, "legacy device"},
	{0x00, 0x01, ANY, "legacy VGA device"},
	{0x00, ANY, ANY, "unclassified device"},
	{0x01, 0x00, ANY, "SCSI controller"},
	{0x01, 0x01, ANY, "IDE controller"},
	{0x01, 0x02, ANY, "floppy disk controller"},
	{0x01, 0x03, ANY, "IPI bus controller"},
	{0x01, 0x04, ANY, "RAID controller"},
	{0x01, 0x05, ANY, "ATA controller"},
	{0x01, 0x06, 0x01, "AHCI SATA controller"},
	{0x01, 0x06, ANY, "SATA controller"},
	{0x01, 0x07, ANY, "SAS controller"},
	{0x01, 0x08, 0x02, "NVM Express controller"},
	{0x01, 0x08, ANY, "non-volatile memory controller"},
	{0x01, 0x09, ANY, "UFS controller"},
	{0x01, ANY, ANY, "mass storage controller"},
	{0x02, 0x00, ANY, "Ethernet controller"},
	{0x02, 0x01, ANY, "token ring controller"},
	{0x02, 0x02, ANY, "FDDI controller"},
	{0x02, 0x03, ANY, "ATM controller"},
	{0x02, 0x04, ANY, "ISDN controller"},
	{0x02, 0x07, ANY, "InfiniBand controller"},
	{0x02, 0x08, ANY, "fabric controller"},
	{0x02, ANY, ANY, "network controller"},
	{0x03, 0x00, ANY, "VGA controller"},
	{0x03, 0x01, ANY, "XGA controller"},
	{0x03, 0x02, ANY, "3D controller"},
	{0x03, ANY, ANY, "display controller"},
	{0x04, 0x00, ANY, "video device"},
	{0x04, 0x01, ANY, "audio device"},
	{0x04, 0x02, ANY, "telephony device"},
	{0x04, 0x03, ANY, "HD audio device"},
	{0x04, ANY, ANY, "multimedia device"},
	{0x05, 0x00, ANY, "RAM controller"},
	{0x05, 0x01, ANY, "flash controller"},
	{0x05, 0x02, 0x10, "CXL memory device"},
	{0x05, 0x02, ANY, "CXL controller"},
	{0x05, ANY, ANY, "memory controller"},
	{0x06, 0x00, ANY, "host bridge"},
	{0x06, 0x01, ANY, "ISA bridge"},
	{0x06, 0x02, ANY, "EISA bridge"},
	{0x06, 0x03, ANY, "MCA bridge"},
	{0x06, 0x04, ANY, "PCI bridge"},
	{0x06, 0x05, ANY, "PCMCIA bridge"},
	{0x06, 0x06, ANY, "NuBus bridge"},
	{0x06, 0x07, ANY, "CardBus bridge"},
	{0x06, 0x09, ANY, "semi-transparent PCI bridge"},
	{0x06, 0x0a, ANY, "InfiniBand host bridge"},
	{0x06, ANY, ANY, "bridge"},
	{0x07, 0x00, ANY, "serial port"},
	{0x07, 0x01, ANY, "parallel port"},
	{0x07, 0x02, ANY, "multiport serial controller"},
	{0x07, 0x03, ANY, "modem"},
	{0x07, 0x04, ANY, "GPIB controller"},
	{0x07, 0x05, ANY, "smart card controller"},
	{0x07, ANY, ANY, "communication controller"},
	{0x08, 0x00, ANY, "interrupt controller"},
	{0x08, 0x01, ANY, "DMA controller"},
	{0x08, 0x02, ANY, "timer"},
	{0x08, 0x03, ANY, "real-time clock"},
	{0x08, 0x04, ANY, "PCI hot-plug controller"},
	{0x08, 0x05, ANY, "SD host controller"},
	{0x08, 0x06, ANY, "IOMMU"},
	{0x08, 0x07, ANY, "root complex event collector"},
	{0x08, ANY, ANY, "system peripheral"},
	{0x09, 0x00, ANY, "keyboard controller"},
	{0x09, 0x02, ANY, "mouse controller"},
	{0x09, ANY, ANY, "input controller"},
	{0x0a, ANY, ANY, "docking station"},
	{0x0b, 0x40, ANY, "co-processor"},
	{0x0b, ANY, ANY, "processor"},
	{0x0c, 0x00, ANY, "FireWire controller"},
	{0x0c, 0x03, 0x00, "USB 1 controller (UHCI)"},
	{0x0c, 0x03, 0x10, "USB 1 controller (OHCI)"},
	{0x0c, 0x03, 0x20, "USB 2 controller (EHCI)"},
	{0x0c, 0x03, 0x30, "USB 3 controller (xHCI)"},
	{0x0c, 0x03, 0x40, "USB4 controller"},
	{0x0c, 0x03, 0xfe, "USB device"},
	{0x0c, 0x03, ANY, "USB controller"},
	{0x0c, 0x04, ANY, "Fibre Channel controller"},
	{0x0c, 0x05, ANY, "SMBus controller"},
	{0x0c, 0x06, ANY, "InfiniBand controller"},
	{0x0c, 0x07, ANY, "IPMI interface"},
	{0x0c, 0x09, ANY, "CAN bus controller"},
	{0x0c, 0x0a, ANY, "MIPI I3C controller"},
	{0x0c, ANY, ANY, "serial bus controller"},
	{0x0d, 0x11, ANY, "Bluetooth controller"},
	{0x0d, 0x20, ANY, "Wi-Fi controller (802.11a)"},
	{0x0d, 0x21, ANY, "Wi-Fi controller (802.11b)"},
	{0x0d, 0x40, ANY, "cellular modem"},
	{0x0d, ANY, ANY, "wireless controller"},
	{0x0e, ANY, ANY, "intelligent I/O controller"},
	{0x0f, ANY, ANY, "satellite communication controller"},
	{0x10, ANY, ANY, "encryption controller"},
	{0x11, 0x01, ANY, "performance counters"},
	{0x11, ANY, ANY, "signal processing controller"},
	{0x12, ANY, ANY, "processing accelerator"},
	{0x13, ANY, ANY, "instrumentation device"},
	{0x40, ANY, ANY, "co-processor"},
	{0xff, ANY, ANY, "unassigned class"},
};

const char *pci_class_name(uint32_t class)
{
	uint8_t base = (uint8_t)(class >> 16), sub = (uint8_t)(class >> 8),
		interface = (uint8_t) class;

	/* For one base class, narrow rows precede wide ones. */
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct class_name *n = &names[i];

		if (n->base == base && (n->sub == sub || n->sub == ANY) &&
			(n->interface == interface || n->interface == ANY))
			return n->name;
	}
	return "unknown device";
}
