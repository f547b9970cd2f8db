/* SPDX-License-Identifier: MIT */
/* Configuration space of models, as vfio-pci shows it to its user. */
#include "base/endian.h"
#include "base/num.h"
#include "model/host.h"

#include <linux/pci_regs.h>
#include <string.h>

#define MSI_AT 0x50
#define MSIX_AT 0x60
#define EXPRESS_AT 0x70

uint32_t model_config_size(const struct usher_model_device *d)
{
	return d->model->shape.express ? 4096 : 256;
}

static void put_cap(uint8_t *config, uint8_t at, uint8_t id, uint8_t **link)
{
	**link = at;
	config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	config[at] = id;
	*link = &config[at + PCI_CAP_LIST_NEXT];
}

static uint16_t msi_control(uint32_t vectors)
{
	uint16_t log = 0;

	while ((1u << log) < vectors && log < 5)
		log++;
	return (uint16_t)(PCI_MSI_FLAGS_64BIT | log << 1);
}

void model_config_init(struct usher_model_device *d)
{
	const struct usher_model_shape *s = &d->model->shape;
	uint8_t *c = d->config, *link = &c[PCI_CAPABILITY_LIST];

	le16_put(c + PCI_VENDOR_ID, s->vendor);
	le16_put(c + PCI_DEVICE_ID, s->device);
	le32_put(c + PCI_CLASS_REVISION, s->class_code << 8);
	c[PCI_INTERRUPT_PIN] = s->intx ? 1 : 0;
	if (s->msi) {
		put_cap(c, MSI_AT, PCI_CAP_ID_MSI, &link);
		le16_put(c + MSI_AT + PCI_MSI_FLAGS, msi_control(s->msi));
	}
	if (s->msix) {
		put_cap(c, MSIX_AT, PCI_CAP_ID_MSIX, &link);
		le16_put(c + MSIX_AT + PCI_MSIX_FLAGS, (uint16_t)(s->msix - 1));
	}
	if (s->express) {
		put_cap(c, EXPRESS_AT, PCI_CAP_ID_EXP, &link);
		le16_put(c + EXPRESS_AT + PCI_EXP_FLAGS, 2);
	}
	for (unsigned i = 0; i < USHER_MODEL_BARS; i++)
		le32_put(c + PCI_BASE_ADDRESS_0 + 4 * (size_t)i, 0);
	model_config_reset(d);
}

/* As VFIO leaves a device at open: memory decoding on, bus mastering off. */
void model_config_reset(struct usher_model_device *d)
{
	le16_put(d->config + PCI_COMMAND, PCI_COMMAND_MEMORY);
}

bool model_config_memory(const struct usher_model_device *d)
{
	return le16_get(d->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

bool model_config_master(const struct usher_model_device *d)
{
	return le16_get(d->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static uint8_t writable_bits(const struct usher_model_device *d, uint64_t off)
{
	const uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE;

	if (off == PCI_COMMAND)
		return command & 0xff;
	if (off == PCI_COMMAND + 1)
		return command >> 8;
	if (off == PCI_INTERRUPT_LINE || off == PCI_CACHE_LINE_SIZE)
		return 0xff;
	if (off < PCI_BASE_ADDRESS_0 || off >= PCI_BASE_ADDRESS_0 + 4 * USHER_MODEL_BARS)
		return 0;
	uint64_t bar = off - PCI_BASE_ADDRESS_0;
	uint64_t size = d->model->shape.bar_size[bar / 4];
	uint32_t mask = size ? (uint32_t) ~(max_u64(size, 16) - 1) : 0;
	return (uint8_t)(mask >> (8 * (bar % 4)));
}

void model_config_write(struct usher_model_device *d, uint64_t off, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t mask = writable_bits(d, off + i);
		d->config[off + i] = (uint8_t)((d->config[off + i] & ~mask) | (buf[i] & mask));
	}
}
