/* SPDX-License-Identifier: MIT */
/*
 * How the parts play together. The guest writes table entries (each write exits) and the control
 * register. A vector is live while MSI-X is on and neither the function nor the vector is masked.
 * Live vectors get a route and go to KVM; routes of one write are set together. VFIO is told of a
 * vector the first time it is live and not again: later masks and unmasks only take the eventfd
 * from KVM and give it back.
 *
 * VFIO turns the device's MSI-X on as soon as the guest does, with no vector armed: some devices
 * want to see the enable bit before they take commands.
 */
#include "vmm/pass/msix.h"

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
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static uint64_t table_size(const struct pass_msix *m)
{
	return (uint64_t)m->count * PCI_MSIX_ENTRY_SIZE;
}

static uint64_t pba_size(const struct pass_msix *m)
{
	return align_up(m->count, 64) / 8;
}

static bool fits(const struct pass_dev *d, unsigned bar, uint64_t off, uint64_t size)
{
	if (bar >= FUNC_BAR_ROM)
		return false;
	const struct func_bar *b = &d->bars.bar[bar];
	return (b->kind == FUNC_BAR_MEM32 || b->kind == FUNC_BAR_MEM64) &&
	       range_ok(off, size, d->regions[bar].vfio.size);
}

static void reset_table(struct pass_msix *m)
{
	memset(m->table, 0, table_size(m));
	for (unsigned n = 0; n < m->count; n++)
		m->table[n * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] =
			PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static int make_table(struct pass_msix *m, struct err *e)
{
	m->table = malloc(table_size(m));
	m->vectors = calloc(m->count, sizeof(*m->vectors));
	if (!m->table || !m->vectors)
		return err_set(e, -ENOMEM, "make %u interrupt vectors", m->count);
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n] = PASS_VECTOR_NONE;
	reset_table(m);
	return 0;
}

/* Return: vectors that the capability and VFIO agree on, 0 none. */
static unsigned learn(struct pass_dev *d, struct pass_msix *m, unsigned cap)
{
	const uint8_t *raw = d->config.raw + cap;
	uint32_t table = le32_get(raw + PCI_MSIX_TABLE), pba = le32_get(raw + PCI_MSIX_PBA);
	struct vfio_irqs irqs;

	if (vfio_irq_info(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, &irqs, NULL) < 0)
		return 0;
	m->fixed = irqs.flags & VFIO_IRQ_INFO_NORESIZE;
	m->count = (le16_get(raw + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U;
	m->count = (unsigned)min_u64(m->count, irqs.count);
	m->table_bar = table & PCI_MSIX_TABLE_BIR;
	m->table_off = table & PCI_MSIX_TABLE_OFFSET;
	m->pba_bar = pba & PCI_MSIX_PBA_BIR;
	m->pba_off = pba & PCI_MSIX_PBA_OFFSET;
	if (fits(d, m->table_bar, m->table_off, table_size(m)) &&
		fits(d, m->pba_bar, m->pba_off, pba_size(m)))
		return m->count;
	log_warn(d->name, "its MSI-X table is outside its BARs: MSI-X is hidden from the guest");
	return 0;
}

int pass_msix_init(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	struct pass_msix *m = &d->msix;
	unsigned cap = c->msix;

	if (!cap)
		return 0;
	m->count = learn(d, m, cap);
	if (!m->count) {
		c->msix = 0;
		return 0;
	}
	pass_config_emulate(c, cap, 1, PCI_CAP_ID_MSIX, 0);
	pass_config_emulate(c, cap + PCI_MSIX_FLAGS, 2, m->count - 1,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pass_config_emulate(c, cap + PCI_MSIX_TABLE, 4, le32_get(c->raw + cap + PCI_MSIX_TABLE), 0);
	pass_config_emulate(c, cap + PCI_MSIX_PBA, 4, le32_get(c->raw + cap + PCI_MSIX_PBA), 0);
	return make_table(m, e);
}

void pass_msix_release(struct pass_dev *d)
{
	struct pass_msix *m = &d->msix;

	if (m->on)
		(void)vfio_irq_disable(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	m->on = false;
	for (unsigned n = 0; m->vectors && n < m->count; n++)
		pass_vector_fini(d, &m->vectors[n]);
}

void pass_msix_fini(struct pass_dev *d)
{
	struct pass_msix *m = &d->msix;

	pass_msix_release(d);
	free(m->vectors);
	free(m->table);
	*m = (struct pass_msix){0};
}

unsigned pass_msix_holes(const struct pass_dev *d, unsigned index, struct pass_hole *ret)
{
	const struct pass_msix *m = &d->msix;
	unsigned n = 0;

	if (!m->count)
		return 0;
	if (m->table_bar == index)
		ret[n++] = (struct pass_hole){.off = m->table_off, .size = table_size(m)};
	if (m->pba_bar == index)
		ret[n++] = (struct pass_hole){.off = m->pba_off, .size = pba_size(m)};
	return n;
}

static const uint8_t *entry(const struct pass_msix *m, unsigned n)
{
	return m->table + (size_t)n * PCI_MSIX_ENTRY_SIZE;
}

static bool is_live(const struct pass_msix *m, unsigned n)
{
	return m->on && !(m->control & PCI_MSIX_FLAGS_MASKALL) &&
	       !(le32_get(entry(m, n) + PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void complain(struct pass_dev *d, unsigned n, const char *what, int r)
{
	if (r > 0)
		log_guest(&d->misdeeds.vector, d->name,
			"MSI-X vector %u: %s: the host has %d vectors only", n, what, r);
	else
		log_guest(&d->misdeeds.vector, d->name, "MSI-X vector %u: %s: %s", n, what,
			strerror(-r));
}

/* VFIO has MSI-X off, against the guest's will: each vector is armed anew when it is next used. */
static void lose_all(struct pass_dev *d, int r)
{
	struct pass_msix *m = &d->msix;

	log_guest(&d->misdeeds.vector, d->name,
		"MSI-X is off, no interrupt comes until the guest sets one up again: %s",
		r > 0 ? "the host has too few vectors" : strerror(-r));
	m->allocated = 0;
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n].armed = false;
}

/*
 * VFIO makes the vectors when MSI-X is turned on, and before Linux 6.5 can add none later: turn it
 * off and on with more. What the device signals in between is lost, so every live vector is
 * signalled once: a driver takes a spurious interrupt easily, a lost one never.
 */
static int grow(struct pass_dev *d, unsigned count)
{
	struct pass_msix *m = &d->msix;
	int fds[VFIO_VECTORS_MAX];

	for (unsigned n = 0; n < count; n++)
		fds[n] = m->vectors[n].armed ? m->vectors[n].eventfd : -1;
	if (m->allocated) {
		pass_count_take(d, VFIO_PCI_MSIX_IRQ_INDEX);
		(void)vfio_irq_disable(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	}
	int r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds, count);
	if (r) {
		/* What there was must go on. */
		int again = m->allocated ? vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, fds,
						   m->allocated)
					 : 0;
		if (again)
			lose_all(d, again);
		return r;
	}
	m->allocated = count;
	for (unsigned n = 0; n < count; n++)
		if (m->vectors[n].armed)
			(void)eventfd_write(m->vectors[n].eventfd, 1);
	return 0;
}

/* Tells VFIO of [@first, @end), none of which it knows. */
static void arm(struct pass_dev *d, unsigned first, unsigned end)
{
	struct pass_msix *m = &d->msix;
	int fds[VFIO_VECTORS_MAX], r = 0;

	if (m->fixed && end > m->allocated)
		r = grow(d, end);
	if (!r) {
		for (unsigned n = first; n < end; n++)
			fds[n - first] = m->vectors[n].eventfd;
		r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, first, fds, end - first);
	}
	if (r) {
		complain(d, first, "connect to the device", r);
		return;
	}
	for (unsigned n = first; n < end; n++)
		m->vectors[n].armed = true;
}

/* A live vector that has all that VFIO needs to signal it. */
static bool wants_arming(const struct pass_msix *m, unsigned n)
{
	return is_live(m, n) && m->vectors[n].attached && !m->vectors[n].armed;
}

static void arm_runs(struct pass_dev *d, unsigned first, unsigned end)
{
	for (unsigned n = first; n < end; n++) {
		unsigned start = n;
		while (n < end && wants_arming(&d->msix, n))
			n++;
		if (n > start)
			arm(d, start, n);
	}
}

/* Brings vectors [@first, @end) to where table and control register say. */
static void refresh(struct pass_dev *d, unsigned first, unsigned end)
{
	struct pass_msix *m = &d->msix;
	struct err e;
	int r;

	for (unsigned n = first; n < end; n++) {
		const uint8_t *t = entry(m, n);
		if (!is_live(m, n)) {
			pass_vector_detach(d, &m->vectors[n]);
			continue;
		}
		r = pass_vector_route(
			d, &m->vectors[n], le64_get(t), le32_get(t + PCI_MSIX_ENTRY_DATA));
		if (r < 0)
			complain(d, n, "make a route", r);
	}
	if (irq_commit(&d->vm->irq, &e) < 0)
		log_guest(&d->misdeeds.vector, d->name, "MSI-X: %s", e.msg);
	for (unsigned n = first; n < end; n++) {
		struct pass_vector *v = &m->vectors[n];
		if (!is_live(m, n) || v->eventfd < 0 || v->attached)
			continue;
		r = pass_vector_attach(d, v);
		if (r < 0)
			complain(d, n, "connect to KVM", r);
	}
	arm_runs(d, first, end);
}

bool pass_msix_read(struct pass_dev *d, unsigned index, uint64_t off, unsigned size, uint64_t *ret)
{
	const struct pass_msix *m = &d->msix;

	if (!m->count)
		return false;
	if (index == m->table_bar && off >= m->table_off &&
		range_ok(off - m->table_off, size, table_size(m))) {
		*ret = le_get(m->table + (off - m->table_off), size);
		return true;
	}
	if (index != m->pba_bar || off < m->pba_off ||
		!range_ok(off - m->pba_off, size, pba_size(m)))
		return false;
	uint64_t first = (off - m->pba_off) * 8,
		 end = min_u64(first + UINT64_C(8) * size, m->count);
	*ret = 0;
	for (uint64_t n = first; n < end; n++)
		if (pass_vector_pending(&m->vectors[n]))
			*ret |= UINT64_C(1) << (n - first);
	return true;
}

bool pass_msix_write(
	struct pass_dev *d, unsigned index, uint64_t off, unsigned size, uint64_t value)
{
	struct pass_msix *m = &d->msix;

	if (!m->count)
		return false;
	if (index == m->pba_bar && off >= m->pba_off &&
		range_ok(off - m->pba_off, size, pba_size(m)))
		return true; /* read-only */
	if (index != m->table_bar || off < m->table_off ||
		!range_ok(off - m->table_off, size, table_size(m)))
		return false;
	off -= m->table_off;
	le_put(m->table + off, size, value);
	unsigned first = (unsigned)(off / PCI_MSIX_ENTRY_SIZE);
	unsigned end = (unsigned)((off + size - 1) / PCI_MSIX_ENTRY_SIZE) + 1;
	for (unsigned n = first; n < end; n++) {
		/* All but the mask bit is reserved, and reads as zero. */
		uint8_t *ctrl =
			m->table + (size_t)n * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
		le32_put(ctrl, le32_get(ctrl) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
	}
	if (m->on)
		refresh(d, first, end);
	return true;
}

static void turn_on(struct pass_dev *d)
{
	const int none = -1;
	int r;

	pass_intx_stop(d);
	pass_msi_stop(d);
	r = vfio_irq_set(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, &none, 1);
	if (r) {
		complain(d, 0, "turn MSI-X on", r);
		return;
	}
	d->msix.on = true;
	d->msix.allocated = 1;
}

static void turn_off(struct pass_dev *d)
{
	struct pass_msix *m = &d->msix;

	m->on = false;
	pass_count_take(d, VFIO_PCI_MSIX_IRQ_INDEX);
	int r = m->allocated ? vfio_irq_disable(&d->vfio, VFIO_PCI_MSIX_IRQ_INDEX) : 0;
	if (r < 0)
		complain(d, 0, "turn MSI-X off", r);
	for (unsigned n = 0; n < m->count; n++)
		pass_vector_quiet(d, &m->vectors[n]);
}

void pass_msix_update(struct pass_dev *d)
{
	struct pass_msix *m = &d->msix;

	if (!m->count)
		return;
	uint16_t control =
		(uint16_t)pass_config_get(&d->config, d->config.msix + PCI_MSIX_FLAGS, 2);
	if (control == m->control)
		return;
	m->control = control;
	bool enable = control & PCI_MSIX_FLAGS_ENABLE;
	if (enable && !m->on)
		turn_on(d);
	else if (!enable && m->on)
		turn_off(d);
	if (m->on)
		refresh(d, 0, m->count);
}

void pass_msix_reset(struct pass_dev *d)
{
	struct pass_msix *m = &d->msix;

	if (!m->count)
		return;
	if (m->on)
		turn_off(d);
	m->control = 0;
	reset_table(m);
}
