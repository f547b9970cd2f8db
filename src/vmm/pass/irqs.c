/* SPDX-License-Identifier: MIT */
#include "vmm/pass/irqs.h"

#include "base/bits.h"
#include "base/num.h"
#include "vfio/irq.h"
#include "vmm/pass/device.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>

/* Under the lock, as all that follows; the calls to VFIO are made without it. */
static int wanted_kind(const struct pass_dev *d)
{
	if (d->msix.guest.on)
		return VFIO_PCI_MSIX_IRQ_INDEX;
	if (d->msi.on)
		return VFIO_PCI_MSI_IRQ_INDEX;
	return d->intx.on ? VFIO_PCI_INTX_IRQ_INDEX : -1;
}

WALL_CALL(main | worker, ioctl, VFIO_DEVICE_SET_IRQS);

static int set_vectors(
	struct pass_dev *d, uint32_t index, unsigned first, const int *fds, unsigned count)
{
	lock_drop(&d->lock);
	int r = vfio_irq_set(&d->vfio, index, first, fds, count);
	lock_take(&d->lock);
	return r;
}

static int disable_kind(struct pass_dev *d, uint32_t index)
{
	lock_drop(&d->lock);
	int r = vfio_irq_disable(&d->vfio, index);
	lock_take(&d->lock);
	return r;
}

static void turn_off(struct pass_dev *d)
{
	const int index = d->irqs.on;

	d->irqs.renew = false;
	if (index < 0)
		return;
	if (index != VFIO_PCI_INTX_IRQ_INDEX)
		pass_count_messages(d);
	int r = d->irqs.count ? disable_kind(d, (uint32_t)index) : 0;
	d->irqs.on = -1;
	d->irqs.count = 0;
	if (r < 0 && index != VFIO_PCI_INTX_IRQ_INDEX)
		log_guest(&d->misdeeds.vector, d->name, "turn interrupts off: %s", strerror(-r));
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		pass_count_intx(d);
}

static void turned_on(struct pass_dev *d, int index, unsigned count)
{
	d->irqs.on = index;
	d->irqs.count = count;
}

static void signal_late(const struct pass_dev *d, const struct func_vector *v)
{
	if (d->irqs.late && v->eventfd >= 0)
		(void)eventfd_write(v->eventfd, 1);
}

static void intx_turn_on(struct pass_dev *d)
{
	const int trigger = d->intx.line.trigger, resample = d->intx.line.resample;
	int r = set_vectors(d, VFIO_PCI_INTX_IRQ_INDEX, 0, &trigger, 1);

	if (r == 0) {
		turned_on(d, VFIO_PCI_INTX_IRQ_INDEX, 1);
		pass_count_intx(d);
		lock_drop(&d->lock);
		r = vfio_irq_unmask_fd(&d->vfio, VFIO_PCI_INTX_IRQ_INDEX, resample);
		lock_take(&d->lock);
	}
	if (r == 0)
		return;
	turn_off(d);
	pass_intx_failed(d, r > 0 ? -EIO : r);
}

static void msi_turn_on(struct pass_dev *d)
{
	struct pass_msi *m = &d->msi;
	unsigned count = m->on;
	int fds[PASS_MSI_MAX];

	for (unsigned n = 0; n < count; n++)
		fds[n] = m->vectors[n].eventfd;
	int r = set_vectors(d, VFIO_PCI_MSI_IRQ_INDEX, 0, fds, count);
	if (r > 0) {
		/* The host has fewer: the guest never gets the other messages. */
		count = (unsigned)min_u64(count, (unsigned)r);
		r = set_vectors(d, VFIO_PCI_MSI_IRQ_INDEX, 0, fds, count);
	}
	if (r == 0)
		turned_on(d, VFIO_PCI_MSI_IRQ_INDEX, count);
	if (d->irqs.renew)
		return; /* the guest has turned it off meanwhile */
	m->on = r ? 0 : count;
	for (unsigned n = 0; n < m->on; n++)
		signal_late(d, &m->vectors[n]);
	if (r)
		pass_msi_failed(d, "turn it on", r > 0 ? -ENOSPC : r);
}

static void msix_turn_on(struct pass_dev *d)
{
	const int none = -1;
	int r = set_vectors(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, &none, 1);

	if (r == 0) {
		turned_on(d, VFIO_PCI_MSIX_IRQ_INDEX, 1);
	} else if (!d->irqs.renew) {
		pass_msix_failed(d, 0, "turn MSI-X on", r);
		func_msix_refuse(&d->msix.guest);
	}
}

/*
 * VFIO has disabled MSI-X, although the guest wants it: each vector is armed anew at its next use.
 */
static void lose_vectors(struct pass_dev *d, int r)
{
	struct func_msix *m = &d->msix.guest;

	log_guest(&d->misdeeds.vector, d->name,
		"MSI-X is off, no interrupt comes until the guest sets one up again: %s",
		r > 0 ? "the host has too few vectors" : strerror(-r));
	d->irqs.count = 0;
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n].armed = false;
}

/*
 * What the device signals while MSI-X is disabled is lost, so every live vector is signalled once:
 * drivers tolerate a spurious interrupt, but not a lost one.
 */
static void signal_lost(const int *fds, unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		if (fds[n] >= 0)
			(void)eventfd_write(fds[n], 1);
}

/*
 * VFIO allocates the vectors when MSI-X is enabled, and before Linux 6.5 cannot add any later:
 * disable it and enable it with more, or with as many as before if the host has no more.
 */
static int grow_vectors(struct pass_dev *d, unsigned count)
{
	const struct func_msix *m = &d->msix.guest;
	const unsigned had = d->irqs.count;
	int fds[VFIO_VECTORS_MAX];

	for (unsigned n = 0; n < count; n++)
		fds[n] = m->vectors[n].armed ? m->vectors[n].eventfd : -1;
	/* What these have counted is lost: the guest waits. Drivers add vectors when they start. */
	if (had)
		(void)disable_kind(d, VFIO_PCI_MSIX_IRQ_INDEX);
	int r = set_vectors(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds, count);
	if (r) {
		/* What there was must go on. */
		int again = had ? set_vectors(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds, had) : 0;
		if (again)
			lose_vectors(d, again);
		else
			signal_lost(fds, had);
		return r;
	}
	d->irqs.count = count;
	signal_lost(fds, count);
	return 0;
}

/* Arms vectors [@first, @end), none of which VFIO knows. */
static void arm_vectors(struct pass_dev *d, unsigned first, unsigned end)
{
	struct func_vector *v = d->msix.guest.vectors;
	int fds[VFIO_VECTORS_MAX], r = 0;

	for (unsigned n = first; n < end; n++)
		fds[n - first] = v[n].eventfd;
	if (d->msix.fixed && end > d->irqs.count)
		r = grow_vectors(d, end);
	if (!r)
		r = set_vectors(d, VFIO_PCI_MSIX_IRQ_INDEX, first, fds, end - first);
	if (d->irqs.renew)
		return;
	if (r)
		pass_msix_failed(d, first, "connect to the device", r);
	for (unsigned n = first; n < end && !r; n++) {
		v[n].armed = true;
		signal_late(d, &v[n]);
	}
}

static void arm_live_vectors(struct pass_dev *d)
{
	const struct func_msix *m = &d->msix.guest;

	for (unsigned n = 0; n < m->count && !d->irqs.renew; n++) {
		unsigned start = n;
		while (n < m->count && pass_msix_wants_arming(m, n))
			n++;
		if (n > start)
			arm_vectors(d, start, n);
	}
}

static void turn_on(struct pass_dev *d)
{
	const int kind = wanted_kind(d);

	if (kind == VFIO_PCI_INTX_IRQ_INDEX)
		intx_turn_on(d);
	else if (kind == VFIO_PCI_MSI_IRQ_INDEX)
		msi_turn_on(d);
	else if (kind == VFIO_PCI_MSIX_IRQ_INDEX)
		msix_turn_on(d);
}

static void irqs_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, irqs.job);
	struct pass_irqs *q = &d->irqs;

	lock_take(&d->lock);
	q->asked = false;
	if (q->renew || (q->on >= 0 && q->on != wanted_kind(d)))
		turn_off(d);
	if (q->on < 0)
		turn_on(d);
	if (q->on == VFIO_PCI_MSIX_IRQ_INDEX && d->msix.guest.on)
		arm_live_vectors(d);
	q->late = false;
	/* What the host cannot give leaves INTx, if the device has it. */
	if (q->on < 0 && !d->dropped && !d->quiet && !pass_dev_in_reset(d))
		pass_intx_update(d);
	lock_drop(&d->lock);
}

void pass_irqs_init(struct pass_dev *d)
{
	d->irqs = (struct pass_irqs){.job.run = irqs_run, .on = -1};
}

void pass_irqs_stop(struct pass_dev *d)
{
	lock_take(&d->lock);
	turn_off(d);
	lock_drop(&d->lock);
}
