/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * vmm/pci/msix emulates the table. VFIO learns of a vector when it is first live, once: later masks
 * and unmasks only detach its eventfd from KVM and attach it. The device's worker tells VFIO
 * (vmm/pass/irqs).
 *
 * VFIO enables the device's MSI-X when the guest does, with no vector armed: some devices need to
 * see the enable bit before they accept commands.
 */
#include "vmm/pass/msix.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vfio/irq.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

static struct pass_dev *msix_device(struct func_msix *m)
{
	return container_of(m, struct pass_dev, msix.guest);
}

static bool is_in_bar(const struct pass_dev *d, unsigned bar, uint64_t off, uint64_t size)
{
	if (bar >= FUNC_BAR_ROM)
		return false;
	const struct func_bar *b = &d->bars.bar[bar];
	return (b->kind == FUNC_BAR_MEM32 || b->kind == FUNC_BAR_MEM64) &&
	       range_ok(off, size, d->regions[bar].vfio.size);
}

/* Return: vectors that the capability and VFIO agree on, 0 none. */
static unsigned learn_table(struct pass_dev *d, unsigned cap)
{
	const uint8_t *raw = d->config.raw + cap;
	uint32_t table = le32_get(raw + PCI_MSIX_TABLE), pba = le32_get(raw + PCI_MSIX_PBA);
	struct func_msix *m = &d->msix.guest;
	struct vfio_irqs irqs;

	if (vfio_irq_info(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, &irqs, NULL) < 0)
		return 0;
	d->msix.fixed = irqs.flags & VFIO_IRQ_INFO_NORESIZE;
	m->count = (le16_get(raw + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U;
	m->count = (unsigned)min_u64(m->count, irqs.count);
	m->table_bar = table & PCI_MSIX_TABLE_BIR;
	m->table_off = table & PCI_MSIX_TABLE_OFFSET;
	m->pba_bar = pba & PCI_MSIX_PBA_BIR;
	m->pba_off = pba & PCI_MSIX_PBA_OFFSET;
	if (is_in_bar(d, m->table_bar, m->table_off, func_msix_table_size(m)) &&
		is_in_bar(d, m->pba_bar, m->pba_off, func_msix_pba_size(m)))
		return m->count;
	log_warn(d->name, "its MSI-X table is outside its BARs: MSI-X is hidden from the guest");
	return 0;
}

unsigned pass_msix_holes(const struct pass_dev *d, unsigned index, struct pass_hole *ret)
{
	const struct func_msix *m = &d->msix.guest;
	unsigned n = 0;

	if (!m->count)
		return 0;
	if (m->table_bar == index)
		ret[n++] = (struct pass_hole){.off = m->table_off, .size = func_msix_table_size(m)};
	if (m->pba_bar == index)
		ret[n++] = (struct pass_hole){.off = m->pba_off, .size = func_msix_pba_size(m)};
	return n;
}

void pass_msix_failed(struct pass_dev *d, unsigned n, const char *what, int r)
{
	if (r > 0)
		log_guest(&d->misdeeds.vector, d->name,
			"MSI-X vector %u: %s: the host has %d vectors only", n, what, r);
	else
		log_guest(&d->misdeeds.vector, d->name, "MSI-X vector %u: %s: %s", n, what,
			strerror(-r));
}

bool pass_msix_wants_arming(const struct func_msix *m, unsigned n)
{
	return func_msix_is_live(m, n) && m->vectors[n].attached && !m->vectors[n].armed;
}

static int msix_start(struct func_msix *m)
{
	struct pass_dev *d = msix_device(m);

	pass_intx_stop(d);
	pass_msi_stop(d);
	pass_ask_irqs(d, false);
	return 0;
}

static void msix_stop(struct func_msix *m)
{
	pass_ask_irqs(msix_device(m), true);
}

static void msix_arm(struct func_msix *m, unsigned first, unsigned end)
{
	while (first < end && !pass_msix_wants_arming(m, first))
		first++;
	if (first < end)
		pass_ask_irqs(msix_device(m), false);
}

static void msix_failed(struct func_msix *m, unsigned n, const char *what, int r)
{
	pass_msix_failed(msix_device(m), n, what, r);
}

static const struct func_msix_ops pass_msix_ops = {
	.start = msix_start, .stop = msix_stop, .arm = msix_arm, .failed = msix_failed};

int pass_msix_init(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	struct func_msix *m = &d->msix.guest;
	unsigned cap = c->msix;

	if (!cap)
		return 0;
	m->count = learn_table(d, cap);
	if (!m->count) {
		c->msix = 0;
		return 0;
	}
	m->irq = &d->vm->irq;
	m->ops = &pass_msix_ops;
	pass_config_emulate(c, cap, 1, PCI_CAP_ID_MSIX, 0);
	pass_config_emulate(c, cap + PCI_MSIX_FLAGS, 2, m->count - 1,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pass_config_emulate(c, cap + PCI_MSIX_TABLE, 4, le32_get(c->raw + cap + PCI_MSIX_TABLE), 0);
	pass_config_emulate(c, cap + PCI_MSIX_PBA, 4, le32_get(c->raw + cap + PCI_MSIX_PBA), 0);
	return func_msix_init(m, e);
}

void pass_msix_release(struct pass_dev *d)
{
	func_msix_release(&d->msix.guest);
}

void pass_msix_update(struct pass_dev *d)
{
	if (d->msix.guest.count)
		func_msix_update(&d->msix.guest,
			(uint16_t)pass_config_get(&d->config, d->config.msix + PCI_MSIX_FLAGS, 2));
}
