/* SPDX-License-Identifier: MIT */
/*
 * Configuration accesses of the guest, and what follows from them.
 *
 * The order in a write is the point of this file. The kernel zaps every mapping of a BAR when
 * memory decoding goes off, when the device leaves D0 and when it is reset; a vCPU that then
 * touches the BAR would fail with EFAULT, and the guest with it. So what is about to go is taken
 * from the guest's memory before the device hears of the write, and what comes is added after.
 */
#include "vmm/pass/function.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/pass/device.h"

static struct pass_dev *dev_of(struct pci_func *f)
{
	return container_of(f, struct pass_dev, func);
}

/* True, and the byte, when [@off, +@size) of @value covers @at. */
static bool byte_of(unsigned at, unsigned off, unsigned size, uint32_t value, uint8_t *ret)
{
	if (at < off || at - off >= size)
		return false;
	*ret = (uint8_t)(value >> (8 * (at - off)));
	return true;
}

static uint32_t physical_read(struct pass_dev *d, unsigned off, unsigned size)
{
	uint64_t v;

	if (vfio_region_get(&d->vfio, &d->config_region, off, size, &v) < 0)
		return (uint32_t)all_ones(size);
	return (uint32_t)v;
}

static void physical_write(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	int r = vfio_region_put(&d->vfio, &d->config_region, off, size, value);

	d->touched = true;
	if (r < 0)
		log_guest(&d->misdeeds.access, d->name, "write of configuration space at 0x%x: %s",
			off, strerror(-r));
}

/* What the device decodes: pass_decode flags. A function outside D0 answers to config alone. */
static unsigned decoded(const struct pass_dev *d)
{
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2), decode = PASS_DECODE_NONE;

	if (d->power)
		return decode;
	if (command & PCI_COMMAND_IO)
		decode |= PASS_DECODE_IO;
	if (command & PCI_COMMAND_MEMORY)
		decode |= PASS_DECODE_MEM;
	return decode;
}

static uint32_t config_read(struct pci_func *f, unsigned off, unsigned size)
{
	struct pass_dev *d = dev_of(f);
	const struct pass_config *c = &d->config;

	if (d->dropped || !range_ok(off, size, c->size))
		return (uint32_t)all_ones(size);
	if (pass_config_emulated(c, off, size))
		return pass_config_get(c, off, size);
	return pass_config_merge(c, off, size, physical_read(d, off, size));
}

/* Everything that interrupts and all that is mapped, off: nobody reaches the device any more. */
static void quiesce(struct pass_dev *d)
{
	pass_bars_place(d, PASS_DECODE_NONE);
	pass_msix_reset(d);
	pass_msi_stop(d);
	pass_intx_stop(d);
}

/* The emulated registers as after power-on, and the device's own command register with them. */
static void forget(struct pass_dev *d)
{
	struct pass_config *c = &d->config;

	for (unsigned i = 0; i < c->size; i++)
		c->value[i] &= (uint8_t)~c->write[i];
	for (unsigned i = 0; i < PASS_BARS; i++)
		memset(d->bars[i].written, 0, sizeof(d->bars[i].written));
	pass_msi_update(d);
	physical_write(d, PCI_COMMAND, 2, 0);
	d->power = 0;
}

static bool is_flr(const struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	const struct pass_config *c = &d->config;
	uint8_t byte;

	if (c->express && le32_get(c->raw + c->express + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR &&
		byte_of(c->express + PCI_EXP_DEVCTL + 1, off, size, value, &byte))
		return byte & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
	if (c->af && c->raw[c->af + PCI_AF_CAP] & PCI_AF_CAP_FLR &&
		byte_of(c->af + PCI_AF_CTRL, off, size, value, &byte))
		return byte & PCI_AF_CTRL_FLR;
	return false;
}

/*
 * The guest resets the function. VFIO turns the write into a real reset and restores what it saved
 * of configuration space; the guest must find it as after one.
 */
static void function_level_reset(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	quiesce(d);
	physical_write(d, off, size, value);
	forget(d);
}

static void config_write(struct pci_func *f, unsigned off, unsigned size, uint32_t value)
{
	struct pass_dev *d = dev_of(f);
	struct pass_config *c = &d->config;
	unsigned was = decoded(d);
	uint8_t pmcsr = 0;

	if (d->dropped || !range_ok(off, size, c->size))
		return;
	if (is_flr(d, off, size, value)) {
		function_level_reset(d, off, size, value);
		return;
	}
	pass_config_store(c, off, size, value);
	pass_bars_wrote(d, off, size, value);
	bool power = c->pm && byte_of(c->pm + PCI_PM_CTRL, off, size, value, &pmcsr);
	if (power)
		d->power = pmcsr & PCI_PM_CTRL_STATE_MASK;
	pass_bars_place(d, was & decoded(d));
	if (!pass_config_emulated(c, off, size))
		physical_write(d, off, size, value);
	/* A state that the device does not have leaves it where it was. */
	if (power)
		d->power = physical_read(d, c->pm + PCI_PM_CTRL, 1) & PCI_PM_CTRL_STATE_MASK;
	pass_bars_place(d, decoded(d));
	pass_msix_update(d);
	pass_msi_update(d);
	pass_intx_update(d);
}

static void reset(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);
	struct err e = {0};

	if (d->dropped)
		return;
	quiesce(d);
	/* Opening the device has reset it: as long as nobody touched it there is nothing to undo. */
	if (!d->touched)
		return;
	if (vfio_dev_reset(&d->vfio, &e) < 0)
		log_guest(&d->misdeeds.reset, d->name, "at the guest's reset: %s", e.msg);
	forget(d);
	d->touched = false;
}

void pass_dev_drop(struct pass_dev *d)
{
	if (d->dropped)
		return;
	d->dropped = true;
	quiesce(d);
	pass_dev_unlearn(d);
	vfio_dev_close(&d->vfio);
}

static void fini(struct pci_func *f)
{
	struct pass_dev *d = dev_of(f);

	pass_dev_drop(d);
	free(d);
}

const struct pci_func_ops pass_func_ops = {
	.name = "vfio",
	.config_read = config_read,
	.config_write = config_write,
	.reset = reset,
	.fini = fini,
};
