/* SPDX-License-Identifier: MIT */
/* Interrupts of models, by the kernel's rules. */
#include "base/fd.h"
#include "model/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int model_irqs_count(const struct usher_model_device *d, uint32_t kind)
{
	const struct usher_model_shape *s = &d->model->shape;

	switch (kind) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return (int)s->intx;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return (int)s->msi;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return (int)s->msix;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return s->express ? 1 : 0;
	default:
		return 1;
	}
}

uint32_t model_irqs_flags(const struct usher_model_device *d, uint32_t kind)
{
	switch (kind) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	case VFIO_PCI_MSIX_IRQ_INDEX: /* vectors can be added since Linux 6.5 */
		return VFIO_IRQ_INFO_EVENTFD | (d->no_resize ? VFIO_IRQ_INFO_NORESIZE : 0);
	default:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	}
}

static void signal_fd(int fd)
{
	if (fd >= 0)
		(void)eventfd_write(fd, 1);
}

void model_irqs_off(struct usher_model_device *d, uint32_t kind)
{
	struct model_irqs *q = &d->irqs[kind];

	for (uint32_t i = 0; i < q->count; i++)
		fd_close(&q->fds[i]);
	free(q->fds);
	*q = (struct model_irqs){.fds = NULL};
	if (kind == VFIO_PCI_INTX_IRQ_INDEX) {
		fd_close(&d->intx_unmask_fd);
		d->intx_masked = false;
	}
}

static int kind_grow(struct usher_model_device *d, uint32_t kind, uint32_t count)
{
	struct model_irqs *q = &d->irqs[kind];
	int *fds = reallocarray(q->fds, count, sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	for (uint32_t i = q->count; i < count; i++)
		fds[i] = -1;
	*q = (struct model_irqs){.on = true, .count = count, .fds = fds};
	return 0;
}

static int kind_set_fds(struct model_irqs *q, uint32_t start, uint32_t count, const int *fds)
{
	for (uint32_t i = 0; i < count; i++) {
		int copy = -1;
		if (fds[i] >= 0) {
			copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
			if (copy < 0)
				return -errno;
		}
		fd_close(&q->fds[start + i]);
		q->fds[start + i] = copy;
	}
	return 0;
}

void model_intx_update(struct usher_model_device *d)
{
	struct model_irqs *q = &d->irqs[VFIO_PCI_INTX_IRQ_INDEX];
	struct pollfd p = {.fd = d->intx_unmask_fd, .events = POLLIN};
	eventfd_t n;

	/* The kernel waits for it in a thread; this model looks at the next change. */
	if (p.fd >= 0 && poll(&p, 1, 0) == 1 && !eventfd_read(p.fd, &n))
		d->intx_masked = false;
	if (!q->on || !d->intx_level || d->intx_masked || d->gone)
		return;
	d->intx_masked = true;
	signal_fd(q->fds[0]);
}

/* Are these vectors of the device? Return: 0, -EINVAL. */
static int check_vectors(
	const struct usher_model_device *d, uint32_t kind, uint32_t start, uint32_t count)
{
	if (kind >= MODEL_KINDS || count >= UINT32_MAX - start)
		return -EINVAL;
	uint32_t has = (uint32_t)model_irqs_count(d, kind);
	return start >= has || start + count > has ? -EINVAL : 0;
}

static int intx_check(
	const struct usher_model_device *d, uint32_t kind, uint32_t start, uint32_t count)
{
	int r = check_vectors(d, kind, start, count);

	if (r < 0)
		return r;
	if (kind != VFIO_PCI_INTX_IRQ_INDEX)
		return -ENOTTY;
	return d->irqs[kind].on && !start && count == 1 ? 0 : -EINVAL;
}

int model_irqs_unmask_fd(struct usher_model_device *d, uint32_t kind, int fd)
{
	int r = intx_check(d, kind, 0, 1);

	if (r < 0)
		return r;
	fd_close(&d->intx_unmask_fd);
	d->intx_unmask_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 || d->intx_unmask_fd >= 0 ? 0 : -errno;
}

static int intx_set_mask(
	struct usher_model_device *d, uint32_t kind, bool mask, uint32_t start, uint32_t count)
{
	int r = intx_check(d, kind, start, count);

	if (r < 0)
		return r;
	d->intx_masked = mask;
	model_intx_update(d);
	return 0;
}

static bool another_is_on(const struct usher_model_device *d, uint32_t kind)
{
	for (uint32_t i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (i != kind && d->irqs[i].on)
			return true;
	return false;
}

static int check_kind(
	const struct usher_model_device *d, uint32_t kind, uint32_t start, uint32_t count)
{
	if (another_is_on(d, kind) && kind <= VFIO_PCI_MSIX_IRQ_INDEX)
		return -EINVAL;
	if (kind == VFIO_PCI_INTX_IRQ_INDEX && (start || count != 1))
		return -EINVAL;
	return 0;
}

/* Signals as if the device had. */
static int kind_fire(struct usher_model_device *d, uint32_t kind, uint32_t start, uint32_t count)
{
	const struct model_irqs *q = &d->irqs[kind];
	int r = check_kind(d, kind, start, count);

	if (r < 0 || !q->on)
		return -EINVAL;
	for (uint32_t i = start; i < start + count && i < q->count; i++)
		signal_fd(q->fds[i]);
	return 0;
}

int model_irqs_set(
	struct usher_model_device *d, uint32_t kind, uint32_t start, const int *fds, uint32_t count)
{
	int r = check_vectors(d, kind, start, count);

	if (r < 0)
		return r;
	struct model_irqs *q = &d->irqs[kind];
	const bool is_fixed = model_irqs_flags(d, kind) & VFIO_IRQ_INFO_NORESIZE;
	r = check_kind(d, kind, start, count);
	if (r < 0 || !count || (q->on && start + count > q->count && is_fixed))
		return -EINVAL;
	/* pci_alloc_irq_vectors() says how many there are, if there are some. */
	if ((kind == VFIO_PCI_MSI_IRQ_INDEX || kind == VFIO_PCI_MSIX_IRQ_INDEX) &&
		start + count > d->vectors)
		return d->vectors ? (int)d->vectors : -ENOSPC;
	if (!q->on || start + count > q->count)
		r = kind_grow(d, kind, start + count);
	if (r < 0)
		return r;
	r = kind_set_fds(q, start, count, fds);
	if (kind == VFIO_PCI_INTX_IRQ_INDEX)
		model_intx_update(d);
	return r;
}

static int kind_off(struct usher_model_device *d, uint32_t kind)
{
	if (!d->irqs[kind].on)
		return -EINVAL;
	model_irqs_off(d, kind);
	return 0;
}

int model_irqs_act(struct usher_model_device *d, uint32_t kind, enum vfio_irq_act act,
	uint32_t start, uint32_t count)
{
	int r = check_vectors(d, kind, start, count);

	if (r < 0)
		return r;
	switch (act) {
	case VFIO_IRQ_FIRE:
		return kind_fire(d, kind, start, count);
	case VFIO_IRQ_OFF:
		return kind_off(d, kind);
	case VFIO_IRQ_MASK:
	case VFIO_IRQ_UNMASK:
		return intx_set_mask(d, kind, act == VFIO_IRQ_MASK, start, count);
	default:
		return -ENOTTY;
	}
}

void usher_model_msi(struct usher_model_device *d, uint32_t vector)
{
	/* An MSI is a memory write: without bus mastering it is lost. */
	if (d->gone)
		return;
	if (!model_config_master(d)) {
		d->dma_lost++;
		return;
	}
	for (uint32_t i = VFIO_PCI_MSI_IRQ_INDEX; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (d->irqs[i].on && vector < d->irqs[i].count)
			signal_fd(d->irqs[i].fds[vector]);
}

void usher_model_intx(struct usher_model_device *d, int level)
{
	d->intx_level = level;
	model_intx_update(d);
}

void usher_model_request(struct usher_model_device *d)
{
	if (d->irqs[VFIO_PCI_REQ_IRQ_INDEX].on)
		signal_fd(d->irqs[VFIO_PCI_REQ_IRQ_INDEX].fds[0]);
}

void usher_model_error(struct usher_model_device *d)
{
	if (d->irqs[VFIO_PCI_ERR_IRQ_INDEX].on)
		signal_fd(d->irqs[VFIO_PCI_ERR_IRQ_INDEX].fds[0]);
}
