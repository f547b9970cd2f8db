/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * The guest writes table entries (each write exits) and the control register. A vector is live
 * while MSI-X is on and neither the function nor the vector is masked. Live vectors get a route
 * and are attached to KVM; the routes of one write are set together. A vector gets its eventfd
 * when it is first live, and keeps it: masks and unmasks only detach it from KVM and attach it.
 */
#include "vmm/pci/msix.h"

#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/irq.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

uint64_t func_msix_table_size(const struct func_msix *m)
{
	return (uint64_t)m->count * PCI_MSIX_ENTRY_SIZE;
}

uint64_t func_msix_pba_size(const struct func_msix *m)
{
	return align_up(m->count, 64) / 8;
}

static uint8_t *table_entry(const struct func_msix *m, unsigned n)
{
	return m->table + (size_t)n * PCI_MSIX_ENTRY_SIZE;
}

static void reset_table(struct func_msix *m)
{
	memset(m->table, 0, func_msix_table_size(m));
	for (unsigned n = 0; n < m->count; n++)
		table_entry(m, n)[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

int func_msix_init(struct func_msix *m, struct err *e)
{
	m->table = malloc(func_msix_table_size(m));
	m->vectors = calloc(m->count, sizeof(*m->vectors));
	if (!m->table || !m->vectors)
		return err_set(e, -ENOMEM, "make %u interrupt vectors", m->count);
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n] = FUNC_VECTOR_NONE;
	reset_table(m);
	return 0;
}

void func_msix_release(struct func_msix *m)
{
	m->on = false;
	for (unsigned n = 0; m->vectors && n < m->count; n++)
		func_vector_fini(m->irq, &m->vectors[n]);
}

void func_msix_fini(struct func_msix *m)
{
	func_msix_release(m);
	free(m->vectors);
	free(m->table);
	m->vectors = NULL;
	m->table = NULL;
	m->count = 0;
}

bool func_msix_is_live(const struct func_msix *m, unsigned n)
{
	return m->on && !(m->control & PCI_MSIX_FLAGS_MASKALL) &&
	       !(le32_get(table_entry(m, n) + PCI_MSIX_ENTRY_VECTOR_CTRL) &
		       PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void vector_failed(struct func_msix *m, unsigned n, const char *what, int r)
{
	if (m->ops && m->ops->failed)
		m->ops->failed(m, n, what, r);
}

static void stage_routes(struct func_msix *m, unsigned first, unsigned end)
{
	for (unsigned n = first; n < end; n++) {
		const uint8_t *entry = table_entry(m, n);
		if (!func_msix_is_live(m, n)) {
			func_vector_detach(m->irq, &m->vectors[n]);
			continue;
		}
		int r = func_vector_route(m->irq, &m->vectors[n], le64_get(entry),
			le32_get(entry + PCI_MSIX_ENTRY_DATA));
		if (r < 0)
			vector_failed(m, n, "make a route", r);
	}
}

static void message_send(struct func_msix *m, unsigned n)
{
	const uint8_t *entry = table_entry(m, n);

	(void)irq_signal_msi(m->irq, le64_get(entry), le32_get(entry + PCI_MSIX_ENTRY_DATA));
}

/* What was signalled while it was masked. */
static void message_release(struct func_msix *m, unsigned n)
{
	if (!m->vectors[n].waits)
		return;
	m->vectors[n].waits = false;
	message_send(m, n);
}

/* Brings vectors [@first, @end) to where table and control register say. */
static void refresh_vectors(struct func_msix *m, unsigned first, unsigned end)
{
	stage_routes(m, first, end);
	int r = irq_commit(m->irq, NULL);
	if (r < 0)
		vector_failed(m, first, "set the routes", r);
	for (unsigned n = first; n < end; n++) {
		struct func_vector *v = &m->vectors[n];
		if (!func_msix_is_live(m, n))
			continue;
		message_release(m, n);
		if (v->eventfd < 0 || v->attached)
			continue;
		r = func_vector_attach(m->irq, v);
		if (r < 0)
			vector_failed(m, n, "connect to KVM", r);
	}
	if (m->ops && m->ops->arm)
		m->ops->arm(m, first, end);
}

/* Whether [@off, +@size) of @bar lies in the table; the same for the pending bits. */
static bool is_in_table(const struct func_msix *m, unsigned bar, uint64_t off, unsigned size)
{
	return m->count && bar == m->table_bar && off >= m->table_off &&
	       range_ok(off - m->table_off, size, func_msix_table_size(m));
}

static bool is_in_pba(const struct func_msix *m, unsigned bar, uint64_t off, unsigned size)
{
	return m->count && bar == m->pba_bar && off >= m->pba_off &&
	       range_ok(off - m->pba_off, size, func_msix_pba_size(m));
}

static uint64_t pending_bits(const struct func_msix *m, uint64_t off, unsigned size)
{
	uint64_t first = off * 8, end = min_u64(first + UINT64_C(8) * size, m->count), bits = 0;

	for (uint64_t n = first; n < end; n++)
		if (func_vector_pending(&m->vectors[n]))
			bits |= UINT64_C(1) << (n - first);
	return bits;
}

bool func_msix_read(
	const struct func_msix *m, unsigned bar, uint64_t off, unsigned size, uint64_t *ret)
{
	if (is_in_table(m, bar, off, size)) {
		*ret = le_get(m->table + (off - m->table_off), size);
		return true;
	}
	if (!is_in_pba(m, bar, off, size))
		return false;
	*ret = pending_bits(m, off - m->pba_off, size);
	return true;
}

bool func_msix_write(struct func_msix *m, unsigned bar, uint64_t off, unsigned size, uint64_t value)
{
	if (is_in_pba(m, bar, off, size))
		return true; /* read-only */
	if (!is_in_table(m, bar, off, size))
		return false;
	off -= m->table_off;
	le_put(m->table + off, size, value);
	unsigned first = (unsigned)(off / PCI_MSIX_ENTRY_SIZE);
	unsigned end = (unsigned)((off + size - 1) / PCI_MSIX_ENTRY_SIZE) + 1;
	for (unsigned n = first; n < end; n++) {
		/* All but the mask bit is reserved, and reads as zero. */
		uint8_t *control = table_entry(m, n) + PCI_MSIX_ENTRY_VECTOR_CTRL;
		le32_put(control, le32_get(control) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
	}
	if (m->on)
		refresh_vectors(m, first, end);
	return true;
}

static void turn_on(struct func_msix *m)
{
	m->on = !m->ops || !m->ops->start || m->ops->start(m) >= 0;
}

void func_msix_refuse(struct func_msix *m)
{
	m->on = false;
	for (unsigned n = 0; n < m->count; n++)
		func_vector_quiet(m->irq, &m->vectors[n]);
}

static void turn_off(struct func_msix *m)
{
	m->on = false;
	if (m->ops && m->ops->stop)
		m->ops->stop(m);
	func_msix_refuse(m);
}

void func_msix_update(struct func_msix *m, uint16_t control)
{
	const bool enable = control & PCI_MSIX_FLAGS_ENABLE;

	if (!m->count || control == m->control)
		return;
	m->control = control;
	if (enable && !m->on)
		turn_on(m);
	else if (!enable && m->on)
		turn_off(m);
	if (m->on)
		refresh_vectors(m, 0, m->count);
}

void func_msix_reset(struct func_msix *m)
{
	if (!m->count)
		return;
	if (m->on)
		turn_off(m);
	m->control = 0;
	reset_table(m);
}

int func_msix_eventfd(struct func_msix *m, unsigned n)
{
	int r = func_vector_make(m->irq, &m->vectors[n]);

	return r < 0 ? r : m->vectors[n].eventfd;
}

void func_msix_share(struct func_msix *m)
{
	for (unsigned n = 0; n < m->count; n++)
		m->vectors[n].foreign = true;
}

void func_msix_signal(struct func_msix *m, unsigned n)
{
	if (!m->on || n >= m->count)
		return;
	struct func_vector *v = &m->vectors[n];
	if (v->foreign && func_msix_is_live(m, n))
		message_send(m, n);
	else if (v->foreign)
		v->waits = true;
	/* A vector that was never live has no eventfd yet, but it can be pending. */
	else if (func_vector_make(m->irq, v) >= 0)
		(void)eventfd_write(v->eventfd, 1);
}
