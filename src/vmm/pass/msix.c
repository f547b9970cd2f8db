/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * vmm/pci/msix emulates the table. VFIO learns of a vector when it is first live, once: later masks
 * and unmasks only detach its eventfd from KVM and attach it.
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
#include "vmm/pass/count.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

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

static void vector_failed(struct pass_dev *d, unsigned n, const char *what, int r)
{
	if (r > 0)
		log_guest(&d->misdeeds.vector, d->name,
			"MSI-X vector %u: %s: the host has %d vectors only", n, what, r);
	else
		log_guest(&d->misdeeds.vector, d->name, "MSI-X vector %u: %s: %s", n, what,
			strerror(-r));
}

/*
 * VFIO has disabled MSI-X, although the guest wants it: each vector is armed anew at its next use.
 */
static void lose_vectors(struct pass_dev *d, int r)
{
	struct pass_msix *m = &d->msix;

	log_guest(&d->misdeeds.vector, d->name,
		"MSI-X is off, no interrupt comes until the guest sets one up again: %s",
		r > 0 ? "the host has too few vectors" : strerror(-r));
	m->allocated = 0;
	for (unsigned n = 0; n < m->guest.count; n++)
		m->guest.vectors[n].armed = false;
}

/*
 * VFIO allocates the vectors when MSI-X is enabled, and before Linux 6.5 cannot add any later:
 * disable it and enable it with more. What the device signals in between is lost, so every live
 * vector is signalled once: drivers tolerate a spurious interrupt, but not a lost one.
 */
static int grow_vectors(struct pass_dev *d, unsigned count)
{
	struct pass_msix *m = &d->msix;
	int fds[VFIO_VECTORS_MAX];

	for (unsigned n = 0; n < count; n++)
		fds[n] = m->guest.vectors[n].armed ? m->guest.vectors[n].eventfd : -1;
	/* What these have counted is lost: the guest waits. Drivers add vectors when they start. */
	if (m->allocated)
		(void)vfio_irq_disable(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	int r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds, count);
	if (r) {
		/* What there was must go on. */
		int again = m->allocated ? vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds,
						   m->allocated)
					 : 0;
		if (again)
			lose_vectors(d, again);
		return r;
	}
	m->allocated = count;
	for (unsigned n = 0; n < count; n++)
		if (m->guest.vectors[n].armed)
			(void)eventfd_write(m->guest.vectors[n].eventfd, 1);
	return 0;
}

/* Arms vectors [@first, @end), none of which VFIO knows. */
static void arm_vectors(struct pass_dev *d, unsigned first, unsigned end)
{
	struct pass_msix *m = &d->msix;
	int fds[VFIO_VECTORS_MAX], r = 0;

	if (m->fixed && end > m->allocated)
		r = grow_vectors(d, end);
	if (!r) {
		for (unsigned n = first; n < end; n++)
			fds[n - first] = m->guest.vectors[n].eventfd;
		r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, first, fds, end - first);
	}
	if (r) {
		vector_failed(d, first, "connect to the device", r);
		return;
	}
	for (unsigned n = first; n < end; n++)
		m->guest.vectors[n].armed = true;
}

/* Whether vector @n is live and attached, so that VFIO can signal it. */
static bool wants_arming(const struct func_msix *m, unsigned n)
{
	return func_msix_is_live(m, n) && m->vectors[n].attached && !m->vectors[n].armed;
}

static void arm_runs(struct pass_dev *d, unsigned first, unsigned end)
{
	for (unsigned n = first; n < end; n++) {
		unsigned start = n;
		while (n < end && wants_arming(&d->msix.guest, n))
			n++;
		if (n > start)
			arm_vectors(d, start, n);
	}
}

static int msix_start(struct func_msix *m)
{
	struct pass_dev *d = msix_device(m);
	const int none = -1;

	pass_intx_stop(d);
	pass_msi_stop(d);
	pass_count_settle(d);
	int r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, &none, 1);
	if (r) {
		vector_failed(d, 0, "turn MSI-X on", r);
		return r < 0 ? r : -ENOSPC;
	}
	d->msix.allocated = 1;
	return 0;
}

static void msix_stop(struct func_msix *m)
{
	struct pass_dev *d = msix_device(m);

	int r = d->msix.allocated ? pass_count_off(d, VFIO_PCI_MSIX_IRQ_INDEX) : 0;
	if (r < 0)
		vector_failed(d, 0, "turn MSI-X off", r);
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n].armed = false;
}

static void msix_arm(struct func_msix *m, unsigned first, unsigned end)
{
	arm_runs(msix_device(m), first, end);
}

static void msix_failed(struct func_msix *m, unsigned n, const char *what, int r)
{
	vector_failed(msix_device(m), n, what, r);
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
	pass_count_settle(d);
	if (d->msix.guest.on)
		(void)vfio_irq_disable(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	func_msix_release(&d->msix.guest);
}

void pass_msix_update(struct pass_dev *d)
{
	if (d->msix.guest.count)
		func_msix_update(&d->msix.guest,
			(uint16_t)pass_config_get(&d->config, d->config.msix + PCI_MSIX_FLAGS, 2));
}
