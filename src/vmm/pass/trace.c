/* SPDX-License-Identifier: MIT */
#include "vmm/pass/trace.h"

#include "base/endian.h"
#include "base/num.h"
#include "vmm/pass/device.h"

#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

/* Ref: NVM Express base specification 1.4, 3.1 */
static const struct trace_reg nvme_regs[] = {
	{0x00, 8, 1, 0, "CAP"},
	{0x08, 4, 1, 0, "VS"},
	{0x0c, 4, 1, 0, "INTMS"},
	{0x10, 4, 1, 0, "INTMC"},
	{0x14, 4, 1, 0, "CC"},
	{0x1c, 4, 1, 0, "CSTS"},
	{0x20, 4, 1, 0, "NSSR"},
	{0x24, 4, 1, 0, "AQA"},
	{0x28, 8, 1, 0, "ASQ"},
	{0x30, 8, 1, 0, "ACQ"},
	{0x38, 4, 1, 0, "CMBLOC"},
	{0x3c, 4, 1, 0, "CMBSZ"},
	{0x40, 4, 1, 0, "BPINFO"},
	{0x44, 4, 1, 0, "BPRSEL"},
	{0x48, 8, 1, 0, "BPMBL"},
	{0x50, 8, 1, 0, "CMBMSC"},
	{0x58, 4, 1, 0, "CMBSTS"},
	{0xe00, 4, 1, 0, "PMRCAP"},
	{0xe04, 4, 1, 0, "PMRCTL"},
	{0xe08, 4, 1, 0, "PMRSTS"},
	/* Doorbells at the distance of CAP.DSTRD 0, as all current drives have it. */
	{0x1000, 4, 256, 8, "SQ%uTDBL"},
	{0x1004, 4, 256, 8, "CQ%uHDBL"},
};

/* Ref: Intel 82574 GbE Controller Family Datasheet, 10.2 */
static const struct trace_reg e1000e_regs[] = {
	{0x0000, 4, 1, 0, "CTRL"},
	{0x0008, 4, 1, 0, "STATUS"},
	{0x0010, 4, 1, 0, "EEC"},
	{0x0014, 4, 1, 0, "EERD"},
	{0x0018, 4, 1, 0, "CTRL_EXT"},
	{0x0020, 4, 1, 0, "MDIC"},
	{0x0028, 4, 1, 0, "FCAL"},
	{0x002c, 4, 1, 0, "FCAH"},
	{0x0030, 4, 1, 0, "FCT"},
	{0x0038, 4, 1, 0, "VET"},
	{0x00c0, 4, 1, 0, "ICR"},
	{0x00c4, 4, 1, 0, "ITR"},
	{0x00c8, 4, 1, 0, "ICS"},
	{0x00d0, 4, 1, 0, "IMS"},
	{0x00d8, 4, 1, 0, "IMC"},
	{0x00dc, 4, 1, 0, "EIAC"},
	{0x00e0, 4, 1, 0, "IAM"},
	{0x00e4, 4, 1, 0, "IVAR"},
	{0x00e8, 4, 5, 4, "EITR%u"},
	{0x0100, 4, 1, 0, "RCTL"},
	{0x0170, 4, 1, 0, "FCTTV"},
	{0x0400, 4, 1, 0, "TCTL"},
	{0x0410, 4, 1, 0, "TIPG"},
	{0x0e00, 4, 1, 0, "LEDCTL"},
	{0x0f00, 4, 1, 0, "EXTCNF_CTRL"},
	{0x1000, 4, 1, 0, "PBA"},
	{0x1010, 4, 1, 0, "EEMNGCTL"},
	{0x2160, 4, 1, 0, "FCRTL"},
	{0x2168, 4, 1, 0, "FCRTH"},
	{0x2800, 4, 2, 0x100, "RDBAL%u"},
	{0x2804, 4, 2, 0x100, "RDBAH%u"},
	{0x2808, 4, 2, 0x100, "RDLEN%u"},
	{0x2810, 4, 2, 0x100, "RDH%u"},
	{0x2818, 4, 2, 0x100, "RDT%u"},
	{0x2820, 4, 1, 0, "RDTR"},
	{0x2828, 4, 2, 0x100, "RXDCTL%u"},
	{0x282c, 4, 1, 0, "RADV"},
	{0x3800, 4, 2, 0x100, "TDBAL%u"},
	{0x3804, 4, 2, 0x100, "TDBAH%u"},
	{0x3808, 4, 2, 0x100, "TDLEN%u"},
	{0x3810, 4, 2, 0x100, "TDH%u"},
	{0x3818, 4, 2, 0x100, "TDT%u"},
	{0x3820, 4, 1, 0, "TIDV"},
	{0x3828, 4, 2, 0x100, "TXDCTL%u"},
	{0x382c, 4, 1, 0, "TADV"},
	{0x3840, 4, 2, 0x100, "TARC%u"},
	{0x4000, 4, 64, 4, "statistics %u"},
	{0x5000, 4, 1, 0, "RXCSUM"},
	{0x5008, 4, 1, 0, "RFCTL"},
	{0x5200, 4, 128, 4, "MTA%u"},
	{0x5400, 4, 16, 8, "RAL%u"},
	{0x5404, 4, 16, 8, "RAH%u"},
	{0x5600, 4, 128, 4, "VFTA%u"},
	{0x5800, 4, 1, 0, "WUC"},
	{0x5808, 4, 1, 0, "WUFC"},
	{0x5810, 4, 1, 0, "WUS"},
	{0x5820, 4, 1, 0, "MANC"},
	{0x5b00, 4, 1, 0, "GCR"},
	{0x5b50, 4, 1, 0, "SWSM"},
	{0x5b54, 4, 1, 0, "FWSM"},
	{0x5b68, 4, 1, 0, "PBACL"},
	{0x5c00, 4, 32, 4, "RETA%u"},
	{0x5c80, 4, 10, 4, "RSSRK%u"},
};

/* Ref: QEMU docs/specs/edu */
static const struct trace_reg edu_regs[] = {
	{0x00, 4, 1, 0, "identification"},
	{0x04, 4, 1, 0, "liveness"},
	{0x08, 4, 1, 0, "factorial"},
	{0x20, 4, 1, 0, "status"},
	{0x24, 4, 1, 0, "interrupt status"},
	{0x60, 4, 1, 0, "interrupt raise"},
	{0x64, 4, 1, 0, "interrupt acknowledge"},
	{0x80, 8, 1, 0, "DMA source"},
	{0x88, 8, 1, 0, "DMA destination"},
	{0x90, 8, 1, 0, "DMA count"},
	{0x98, 8, 1, 0, "DMA command"},
};

static bool put_name(const struct trace_reg *r, uint64_t off, char name[TRACE_NAME])
{
	uint64_t n = r->count > 1 && off >= r->off ? (off - r->off) / r->step : 0;
	uint64_t at = r->off + n * (r->count > 1 ? r->step : 0);

	if (off < at || off - at >= r->size || (r->count > 1 && n >= r->count))
		return false;
	const char *hole = strstr(r->name, "%u");
	if (hole)
		(void)snprintf(name, TRACE_NAME, "%.*s%u%s", (int)(hole - r->name), r->name,
			(unsigned)n, hole + 2);
	else
		(void)snprintf(name, TRACE_NAME, "%s", r->name);
	return true;
}

void trace_name(const struct trace_decoder *t, uint64_t off, char name[TRACE_NAME])
{
	name[0] = '\0';
	for (size_t i = 0; i < t->count; i++)
		if (put_name(&t->regs[i], off, name))
			return;
}

#define DECODER(of)                                                       \
	{                                                                 \
		.name = #of, .regs = of##_regs, .count = COUNT(of##_regs) \
	}

static const struct trace_decoder nvme = DECODER(nvme);
static const struct trace_decoder e1000e = DECODER(e1000e);
static const struct trace_decoder edu = DECODER(edu);

const struct trace_decoder *trace_find(
	uint16_t vendor, uint16_t device, uint32_t class, unsigned index)
{
	if (index)
		return NULL;
	if (class == 0x010802) /* the programming interface is part of the class */
		return &nvme;
	if (vendor == 0x8086 && device == 0x10d3)
		return &e1000e;
	if (vendor == 0x1234 && device == 0x11e8)
		return &edu;
	return NULL;
}

static const struct pass_dev *dev_of(const struct func_bar *b)
{
	return container_of(b->bars, struct pass_dev, bars);
}

/* Names the MSI-X table and the pending bits, which any device may have in any BAR. */
static bool name_msix(const struct func_bar *b, uint64_t off, char name[TRACE_NAME])
{
	static const char *const fields[] = {"address", "address high", "data", "control"};
	const struct func_msix *m = &dev_of(b)->msix.guest;
	uint64_t table = (uint64_t)m->count * PCI_MSIX_ENTRY_SIZE;

	if (!m->count)
		return false;
	if (b->index == m->table_bar && off >= m->table_off && off - m->table_off < table) {
		off -= m->table_off;
		(void)snprintf(name, TRACE_NAME, "MSI-X %u %s",
			(unsigned)(off / PCI_MSIX_ENTRY_SIZE),
			fields[off % PCI_MSIX_ENTRY_SIZE / 4]);
		return true;
	}
	if (b->index != m->pba_bar || off < m->pba_off || off - m->pba_off >= (m->count + 7) / 8)
		return false;
	(void)snprintf(name, TRACE_NAME, "MSI-X pending");
	return true;
}

void trace_access(
	const struct func_bar *b, uint64_t off, unsigned size, uint64_t value, enum trace_way way)
{
	const struct pass_dev *d = dev_of(b);
	const uint8_t *raw = d->config.raw;
	const struct trace_decoder *t = trace_find(le16_get(raw + PCI_VENDOR_ID),
		le16_get(raw + PCI_DEVICE_ID), le32_get(raw + PCI_CLASS_REVISION) >> 8, b->index);
	char name[TRACE_NAME] = "", line[160];

	if (!name_msix(b, off, name) && t)
		trace_name(t, off, name);
	int len = snprintf(line, sizeof(line),
		"trace: %s BAR %u +0x%" PRIx64 " %s%u 0x%" PRIx64 "%s%s\n", d->name, b->index, off,
		way == TRACE_READ ? "read" : "write", size, value, name[0] ? " " : "", name);
	log_text(line, (size_t)len);
}
