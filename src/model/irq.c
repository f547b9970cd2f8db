/* SPDX-License-Identifier: MIT */
/* Interrupts of models: VFIO_DEVICE_SET_IRQS with the kernel's rules. */
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
	case VFIO_PCI_MSIX_IRQ_INDEX: /* vectors can be added: as Linux 6.5 */
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

static int on(struct usher_model_device *d, uint32_t kind, uint32_t count)
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

static int set_fds(struct model_irqs *q, uint32_t start, uint32_t count, const int32_t *fds)
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

	/* A thread of the kernel would wait for it; here it is seen at the next change. */
	if (p.fd >= 0 && poll(&p, 1, 0) == 1 && !eventfd_read(p.fd, &n))
		d->intx_masked = false;
	if (!q->on || !d->intx_level || d->intx_masked || d->gone)
		return;
	d->intx_masked = true;
	signal_fd(q->fds[0]);
}

static int intx_masking(struct usher_model_device *d, const struct vfio_irq_set *s)
{
	const bool unmask = s->flags & VFIO_IRQ_SET_ACTION_UNMASK;
	int32_t fd;

	if (!d->irqs[VFIO_PCI_INTX_IRQ_INDEX].on || s->start || s->count != 1)
		return -EINVAL;
	if (s->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (!unmask)
			return -ENOTTY;
		memcpy(&fd, s->data, sizeof(fd));
		fd_close(&d->intx_unmask_fd);
		d->intx_unmask_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 || d->intx_unmask_fd >= 0 ? 0 : -errno;
	}
	if (s->flags & VFIO_IRQ_SET_DATA_BOOL && !s->data[0])
		return 0;
	d->intx_masked = !unmask;
	model_intx_update(d);
	return 0;
}

/* DATA_NONE and DATA_BOOL: signal as if the device had. */
static int loop_back(struct model_irqs *q, const struct vfio_irq_set *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->start + i >= q->count)
			break;
		if (s->flags & VFIO_IRQ_SET_DATA_NONE || s->data[i])
			signal_fd(q->fds[s->start + i]);
	}
	return 0;
}

static bool another_is_on(const struct usher_model_device *d, uint32_t kind)
{
	for (uint32_t i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (i != kind && d->irqs[i].on)
			return true;
	return false;
}

static int trigger(struct usher_model_device *d, const struct vfio_irq_set *s)
{
	struct model_irqs *q = &d->irqs[s->index];
	const bool growable = !(model_irqs_flags(d, s->index) & VFIO_IRQ_INFO_NORESIZE);
	int r = 0;

	if (q->on && !s->count && s->flags & VFIO_IRQ_SET_DATA_NONE) {
		model_irqs_off(d, s->index);
		return 0;
	}
	if (another_is_on(d, s->index) && s->index <= VFIO_PCI_MSIX_IRQ_INDEX)
		return -EINVAL;
	if (s->index == VFIO_PCI_INTX_IRQ_INDEX && (s->start || s->count != 1))
		return -EINVAL;
	if (!(s->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return q->on ? loop_back(q, s) : -EINVAL;
	if (!s->count)
		return -EINVAL;
	if (q->on && s->start + s->count > q->count && !growable)
		return -EINVAL;
	/* pci_alloc_irq_vectors(): how many there are, when there are some. */
	if (s->index != VFIO_PCI_INTX_IRQ_INDEX && s->index <= VFIO_PCI_MSIX_IRQ_INDEX &&
		s->start + s->count > d->vectors)
		return d->vectors ? (int)d->vectors : -ENOSPC;
	if (!q->on || s->start + s->count > q->count)
		r = on(d, s->index, s->start + s->count);
	if (r < 0)
		return r;
	r = set_fds(q, s->start, s->count, (const int32_t *)(const void *)s->data);
	if (s->index == VFIO_PCI_INTX_IRQ_INDEX)
		model_intx_update(d);
	return r;
}

static int check(const struct usher_model_device *d, const struct vfio_irq_set *s)
{
	const uint32_t all = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	uint32_t size;

	if (s->argsz < sizeof(*s) || s->index >= MODEL_KINDS || s->flags & ~all)
		return -EINVAL;
	if (s->count >= UINT32_MAX - s->start)
		return -EINVAL;
	uint32_t has = (uint32_t)model_irqs_count(d, s->index);
	if (s->start >= has || s->start + s->count > has)
		return -EINVAL;
	switch (s->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		size = 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		size = 1;
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		size = 4;
		break;
	default:
		return -EINVAL;
	}
	return s->argsz - sizeof(*s) < (uint64_t)s->count * size ? -EINVAL : 0;
}

int model_set_irqs(struct usher_model_device *d, const void *arg)
{
	const struct vfio_irq_set *s = arg;
	int r = check(d, s);

	if (r < 0)
		return r;
	switch (s->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_MASK:
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return s->index == VFIO_PCI_INTX_IRQ_INDEX ? intx_masking(d, s) : -ENOTTY;
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return trigger(d, s);
	default:
		return -ENOTTY;
	}
}

void usher_model_msi(struct usher_model_device *d, uint32_t vector)
{
	/* An MSI is a write to memory: without bus mastering it goes nowhere. */
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
