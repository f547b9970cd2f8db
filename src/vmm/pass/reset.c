/* SPDX-License-Identifier: MIT */
/*
 * Resets. The kernel has several ways, and its own order of them puts a cycle through D3 before a
 * reset of the bus, though the former leaves much of many devices as it was. So, without a
 * function level reset, the bus is reset here, if all that is on it is the guest's and none of it
 * in use; then whatever the kernel has (VFIO_DEVICE_RESET).
 */
#include "vmm/pass/reset.h"

#include "base/clean.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "pci/address.h"
#include "vfio/hotreset.h"
#include "vmm/keeper.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

static bool has_express_flr(const struct pass_config *c)
{
	return c->express && le32_get(c->raw + c->express + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR;
}

static bool has_af_flr(const struct pass_config *c)
{
	return c->af && c->raw[c->af + PCI_AF_CAP] & PCI_AF_CAP_FLR;
}

bool pass_reset_is_flr(const struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	const struct pass_config *c = &d->config;
	uint8_t byte;

	if (has_express_flr(c) &&
		pass_config_byte(c->express + PCI_EXP_DEVCTL + 1, off, size, value, &byte))
		return byte & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
	if (has_af_flr(c) && pass_config_byte(c->af + PCI_AF_CTRL, off, size, value, &byte))
		return byte & PCI_AF_CTRL_FLR;
	return false;
}

void pass_reset_quiet(struct pass_dev *d)
{
	func_bars_hide(&d->bars);
	func_msix_reset(&d->msix.guest);
	pass_msi_stop(d);
	pass_intx_stop(d);
	d->quiet = true;
}

/*
 * A reset turns the decoders off in VFIO. The guest still reads them as on, and the next write to a
 * BAR would map pages that VFIO no longer serves. So a function that decodes is in use, wherever
 * its BARs are.
 */
static bool is_in_use(const struct pass_dev *d)
{
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2);

	if (d->quiet)
		return false;
	return command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY) || d->msix.guest.on || d->msi.on ||
	       d->intx.on;
}

/* The emulated registers as after power-on. */
static void forget(struct pass_dev *d)
{
	struct pass_config *c = &d->config;

	for (unsigned i = 0; i < c->size; i++)
		c->value[i] &= (uint8_t)~c->write[i];
	func_bars_forget(&d->bars);
	pass_msi_update(d);
	d->intx.failed = false;
	d->power = 0;
	d->quiet = false;
}

/*
 * After a reset the kernel puts the command register back as it was, and without one nobody does
 * anything: either way the device is to do nothing, above all no DMA.
 */
static void hush(struct pass_dev *d)
{
	pass_dev_put(d, PCI_COMMAND, 2, 0);
}

static void was_reset(struct pass_dev *d)
{
	hush(d);
	d->power = 0;
	d->resets++;
	d->touched = false;
}

/*
 * The guest's device that VFIO means, NULL when it is nobody's. VFIO has 16 bits for a domain, and
 * those that VMD makes are wider: the group's number tells such a one from its namesake.
 */
static struct pass_dev *find_dependent(const struct pass_domain *g, const struct vfio_dependent *x)
{
	for (struct pass_dev *d = g->devices; d; d = d->next) {
		struct pci_address known = d->address;
		known.domain &= UINT16_MAX;
		if (d->group == x->group && pci_address_equal(known, x->address))
			return d;
	}
	return NULL;
}

/*
 * Resets the bus with all that is on it. Functions that are nobody's (of a group that is ours, on
 * a driver of VFIO) come along. The keeper gives the kernel the groups as proof that all of it is
 * ours.
 * Return: 0, -EBUSY another function of the guest is in use, -errno.
 */
static int reset_bus(struct pass_dev *d)
{
	cleanup_free struct vfio_dependent *all = NULL;
	const struct pass_domain *g = d->vm->pass;

	if (!g)
		return -ENODEV;
	int n = vfio_hotreset_info(&d->vfio, &all, NULL);
	for (int i = 0; i < n; i++) {
		const struct pass_dev *other = find_dependent(g, &all[i]);
		if (other && is_in_use(other))
			return -EBUSY;
	}
	int r = n < 0 ? n : keeper_reset_bus(d->vm->keeper, d->address);
	for (int i = 0; i < n && r >= 0; i++) {
		struct pass_dev *other = find_dependent(g, &all[i]);
		if (!other || other->dropped)
			continue;
		was_reset(other);
		other->bus_resets++;
	}
	return r;
}

void pass_reset(struct pass_dev *d)
{
	struct err e = {0};

	if (d->dropped)
		return;
	pass_reset_quiet(d);
	bool has_flr = has_express_flr(&d->config) || has_af_flr(&d->config);
	if (d->touched && (has_flr || reset_bus(d) < 0)) {
		if (vfio_dev_reset(&d->vfio, &e) < 0) {
			log_guest(&d->misdeeds.reset, d->name, "at the guest's reset: %s", e.msg);
			hush(d); /* and it stays touched: the next time may do */
		} else {
			was_reset(d);
		}
	}
	forget(d);
}

void pass_reset_flr(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	pass_reset_quiet(d);
	pass_dev_put(d, off, size, value);
	was_reset(d);
	forget(d);
}
