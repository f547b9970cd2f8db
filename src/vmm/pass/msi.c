/* SPDX-License-Identifier: MIT */
#include "vmm/pass/msi.h"

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

#define MASK_TO_PENDING 4 /* [bytes] from the mask register to the pending one */

int pass_msi_init(struct pass_dev *d, struct err *e)
{
	struct pass_config *c = &d->config;
	struct pass_msi *m = &d->msi;
	unsigned cap = c->msi;
	struct vfio_irqs irqs;

	for (unsigned n = 0; n < PASS_MSI_MAX; n++)
		m->vectors[n] = FUNC_VECTOR_NONE;
	if (!cap)
		return 0;
	if (vfio_irq_info(&d->vfio, VFIO_PCI_MSI_IRQ_INDEX, &irqs, NULL) < 0 || !irqs.count) {
		c->msi = 0;
		return 0;
	}
	unsigned flags = le16_get(c->raw + cap + PCI_MSI_FLAGS);
	unsigned log = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	while (log > 5 || (1U << log) > irqs.count)
		log--;
	bool wide = flags & PCI_MSI_FLAGS_64BIT, maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	m->count = 1U << log;
	m->data_off = wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;
	if (maskable)
		m->mask_off = wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;

	m->len = (maskable ? m->mask_off + 4 : m->data_off + 2) - PCI_MSI_FLAGS;
	flags &= PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT;
	pass_config_emulate(c, cap, 1, PCI_CAP_ID_MSI, 0);
	pass_config_emulate(c, cap + PCI_MSI_FLAGS, 2, flags | log << 1,
		PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pass_config_emulate(c, cap + PCI_MSI_ADDRESS_LO, 4, 0, ~3U);
	if (wide)
		pass_config_emulate(c, cap + PCI_MSI_ADDRESS_HI, 4, 0, UINT32_MAX);
	pass_config_emulate(c, cap + m->data_off, 2, 0, UINT16_MAX);
	if (maskable) {
		pass_config_emulate(c, cap + m->mask_off, 4, 0, (uint32_t)((1ULL << m->count) - 1));
		pass_config_emulate(c, cap + m->mask_off + MASK_TO_PENDING, 4, 0, 0);
	}
	return 0;
}

void pass_msi_fini(struct pass_dev *d)
{
	pass_msi_stop(d);
	for (unsigned n = 0; n < PASS_MSI_MAX; n++)
		func_vector_fini(&d->vm->irq, &d->msi.vectors[n]);
}

void pass_msi_failed(struct pass_dev *d, const char *what, int r)
{
	log_guest(&d->misdeeds.vector, d->name, "MSI: %s: %s", what, strerror(-r));
}

/* Message @n of @count has @n in the low bits of the data. */
static int route_message(struct pass_dev *d, unsigned n, unsigned count)
{
	const struct pass_config *c = &d->config;
	unsigned cap = c->msi;
	uint64_t address = pass_config_get(c, cap + PCI_MSI_ADDRESS_LO, 4);
	uint32_t data = pass_config_get(c, cap + d->msi.data_off, 2);

	if (d->msi.data_off == PCI_MSI_DATA_64)
		address |= (uint64_t)pass_config_get(c, cap + PCI_MSI_ADDRESS_HI, 4) << 32;
	return func_vector_route(
		&d->vm->irq, &d->msi.vectors[n], address, (data & ~(count - 1)) | n);
}

/* Routes all messages, then attaches those that are not masked to KVM. Return: 0, -errno. */
static int connect_messages(struct pass_dev *d, unsigned count)
{
	struct pass_msi *m = &d->msi;
	uint32_t masked = 0;
	int r = 0;

	if (m->mask_off)
		masked = pass_config_get(&d->config, d->config.msi + m->mask_off, 4);
	for (unsigned n = 0; n < count && r >= 0; n++)
		r = route_message(d, n, count);
	if (r >= 0)
		r = irq_commit(&d->vm->irq, NULL);
	for (unsigned n = 0; n < count && r >= 0; n++) {
		if (masked >> n & 1)
			func_vector_detach(&d->vm->irq, &m->vectors[n]);
		else
			r = func_vector_attach(&d->vm->irq, &m->vectors[n]);
	}
	return r;
}

static void msi_start(struct pass_dev *d, unsigned count)
{
	struct pass_msi *m = &d->msi;

	pass_intx_stop(d);
	int r = connect_messages(d, count);
	if (r < 0) {
		pass_msi_failed(d, "connect to KVM", r);
		return;
	}
	m->on = m->asked = count;
	pass_ask_irqs(d, false);
}

void pass_msi_stop(struct pass_dev *d)
{
	struct pass_msi *m = &d->msi;

	if (m->on)
		pass_ask_irqs(d, true);
	m->on = 0;
	for (unsigned n = 0; n < PASS_MSI_MAX; n++)
		func_vector_quiet(&d->vm->irq, &m->vectors[n]);
}

uint32_t pass_msi_pending(const struct pass_dev *d, unsigned off, unsigned size)
{
	const struct pass_msi *m = &d->msi;
	uint32_t bits = 0;

	if (!m->mask_off)
		return 0;
	unsigned reg = d->config.msi + m->mask_off + MASK_TO_PENDING;
	if (off < reg || !range_ok(off - reg, size, 4))
		return 0;
	for (unsigned n = 0; n < m->on; n++)
		if (func_vector_pending(&m->vectors[n]))
			bits |= BIT32(n);
	return bits >> 8 * (off - reg) & (uint32_t)all_ones(size);
}

void pass_msi_update(struct pass_dev *d)
{
	struct pass_msi *m = &d->msi;
	const uint8_t *now = d->config.value + d->config.msi + PCI_MSI_FLAGS;

	/* A guest that enables both gets MSI-X. */
	if (!m->count || d->msix.guest.on || memcmp(now, m->last, m->len) == 0)
		return;
	memcpy(m->last, now, m->len);
	unsigned flags = le16_get(now);
	unsigned count = 1U << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4);

	if (!(flags & PCI_MSI_FLAGS_ENABLE)) {
		if (m->on)
			pass_msi_stop(d);
		return;
	}
	count = (unsigned)min_u64(count, m->count);
	/* Do not start anew because the host has fewer vectors than requested. */
	if (!m->on || m->asked != count) {
		if (m->on)
			pass_msi_stop(d);
		msi_start(d, count);
		return;
	}
	int r = connect_messages(d, count);
	if (r < 0)
		pass_msi_failed(d, "change it", r);
}
