/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and events.
 *
 * How it works. Each vector that is on has an eventfd, which the device owns until its kind goes
 * off. Invariant: irqs[kind].fds has one entry for each vector of the device; -1 means off, also in
 * the kernel. MSI-X vectors are added one by one. Before Linux 6.5 the kernel cannot do so: then
 * MSI-X goes off and on, and every vector is signalled once, because an interrupt may be lost in
 * between.
 */
#include "base/fd.h"
#include "base/num.h"
#include "base/sized.h"
#include "base/usher_err.h"
#include "lib/device.h"
#include "vfio/irq.h"

#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

_Static_assert((int)USHER_INTX == VFIO_PCI_INTX_IRQ_INDEX, "uapi");
_Static_assert((int)USHER_MSIX == VFIO_PCI_MSIX_IRQ_INDEX, "uapi");
_Static_assert((int)USHER_REQ == VFIO_PCI_REQ_IRQ_INDEX, "uapi");

static const char *const kind_names[] = {"INTx", "MSI", "MSI-X", "ERR", "REQ"};

static bool is_kind(enum usher_irq kind)
{
	return (unsigned)kind < DEVICE_KINDS;
}

int usher_irq_query_sized(
	struct usher_device *d, enum usher_irq kind, struct usher_irq_info *ret, size_t size)
{
	struct usher_irq_info info = {.count = 0};
	struct vfio_irqs i;

	if (!is_kind(kind))
		return -EINVAL;
	/* It fails for ERR of a device that is not PCI Express. */
	if (vfio_irq_info(&d->vfio, kind, &i, NULL) >= 0) {
		info.count = i.count;
		info.maskable = !!(i.flags & VFIO_IRQ_INFO_MASKABLE);
		info.automasked = !!(i.flags & VFIO_IRQ_INFO_AUTOMASKED);
		info.growable = !(i.flags & VFIO_IRQ_INFO_NORESIZE);
	}
	return sized_write(
		ret, size, SIZE_UP_TO(struct usher_irq_info, growable), &info, sizeof(info));
}

static void kind_forget(struct device_irqs *q)
{
	for (uint32_t i = 0; q->fds && i < q->count; i++)
		fd_close(&q->fds[i]);
	free(q->fds);
	*q = (struct device_irqs){.on = false};
}

static int make_fds(struct device_irqs *q, uint32_t all, uint32_t count)
{
	*q = (struct device_irqs){.count = all, .fds = all ? calloc(all, sizeof(int)) : NULL};
	if (!q->fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < all; i++)
		q->fds[i] = -1;
	for (uint32_t i = 0; i < count; i++) {
		q->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (q->fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int check_on(struct usher_device *d, enum usher_irq kind, uint32_t count, uint32_t *ret_all,
	struct usher_err *e)
{
	struct usher_irq_info info;

	if (usher_irq_query(d, kind, &info) < 0 || !count || count > info.count)
		return err_say(err_from_usher(e), -EINVAL, "%s does not support %u vectors of %s",
			d->info.name, count, is_kind(kind) ? kind_names[kind] : "an unknown kind");
	if (d->irqs[kind].on)
		return err_say(err_from_usher(e), -EBUSY, "%s: %s is on already", d->info.name,
			kind_names[kind]);
	for (unsigned i = 0; kind <= USHER_MSIX && i <= USHER_MSIX; i++)
		if (d->irqs[i].on)
			return err_say(err_from_usher(e), -EBUSY, "%s: %s is on, which excludes %s",
				d->info.name, kind_names[i], kind_names[kind]);
	*ret_all = info.count;
	return 0;
}

/* Words for a result of vfio_irq_set(). */
static int explain_irq_set(struct usher_device *d, enum usher_irq kind, int r, struct usher_err *e)
{
	if (r == 0)
		return 0;
	if (r > 0)
		return err_say(err_from_usher(e), -ENOSPC,
			"%s: the kernel has only %d vectors of %s", d->info.name, r,
			kind_names[kind]);
	return err_set(err_from_usher(e), device_verdict(d, r), "%s: turn %s on", d->info.name,
		kind_names[kind]);
}

int usher_irq_on(struct usher_device *d, enum usher_irq kind, uint32_t count, struct usher_err *e)
{
	uint32_t all = 0;
	int r = check_on(d, kind, count, &all, e);

	if (r < 0)
		return r;
	struct device_irqs *q = &d->irqs[kind];
	r = make_fds(q, all, count);
	if (r < 0)
		(void)err_set(err_from_usher(e), r, "make %u eventfds", count);
	else
		r = explain_irq_set(d, kind, vfio_irq_set(&d->vfio, kind, 0, q->fds, count), e);
	if (r < 0) {
		kind_forget(q);
		return r;
	}
	q->on = true;
	return 0;
}

/* Sets all vectors that are on at once. */
static int set_vectors(struct usher_device *d, enum usher_irq kind)
{
	const struct device_irqs *q = &d->irqs[kind];
	uint32_t end = q->count;

	while (end && q->fds[end - 1] < 0)
		end--;
	return vfio_irq_set(&d->vfio, kind, 0, q->fds, end);
}

/*
 * Turns the kind off and on with one vector more; if the kernel has no such vector, as it was
 * before. An interrupt in between is lost, so signal every vector: a driver looks at its device
 * then.
 */
static int add_by_gap(struct usher_device *d, enum usher_irq kind, uint32_t vector)
{
	struct device_irqs *q = &d->irqs[kind];
	int r = vfio_irq_disable(&d->vfio, kind);

	if (r < 0)
		return r;
	r = set_vectors(d, kind);
	if (r != 0) {
		fd_close(&q->fds[vector]);
		if (set_vectors(d, kind) != 0)
			kind_forget(q); /* it is off: say so */
	}
	for (uint32_t i = 0; q->on && i < q->count; i++)
		if (q->fds[i] >= 0)
			(void)eventfd_write(q->fds[i], 1);
	return r;
}

int usher_irq_add(struct usher_device *d, enum usher_irq kind, uint32_t vector, struct usher_err *e)
{
	struct usher_irq_info info;

	if (kind != USHER_MSIX || !d->irqs[kind].on || vector >= d->irqs[kind].count)
		return err_say(err_from_usher(e), -EINVAL,
			"%s: vector %u cannot be added: MSI-X is off, or "
			"the device has fewer vectors",
			d->info.name, vector);
	struct device_irqs *q = &d->irqs[kind];
	if (q->fds[vector] >= 0)
		return 0;
	q->fds[vector] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fds[vector] < 0)
		return err_set(err_from_usher(e), -errno, "make an eventfd");
	(void)usher_irq_query(d, kind, &info);
	int r = info.growable ? vfio_irq_set(&d->vfio, kind, vector, &q->fds[vector], 1)
			      : add_by_gap(d, kind, vector);
	r = explain_irq_set(d, kind, r, e);
	if (r < 0 && q->on)
		fd_close(&q->fds[vector]);
	return r;
}

int usher_irq_off(struct usher_device *d, enum usher_irq kind, struct usher_err *e)
{
	if (!is_kind(kind) || !d->irqs[kind].on)
		return 0;
	/* The kernel cannot turn ERR and REQ off; take their eventfd away instead. */
	const int none = -1;
	int r = kind >= USHER_ERR ? vfio_irq_set(&d->vfio, kind, 0, &none, 1)
				  : vfio_irq_disable(&d->vfio, kind);
	kind_forget(&d->irqs[kind]);
	if (r < 0)
		return err_set(
			err_from_usher(e), r, "%s: turn %s off", d->info.name, kind_names[kind]);
	return 0;
}

void device_irqs_off(struct usher_device *d, unsigned kinds)
{
	for (unsigned i = 0; i < kinds; i++)
		(void)usher_irq_off(d, i, NULL);
}

int usher_irq_fd(struct usher_device *d, enum usher_irq kind, uint32_t vector)
{
	if (!is_kind(kind) || !d->irqs[kind].on || vector >= d->irqs[kind].count ||
		d->irqs[kind].fds[vector] < 0)
		return -ENOENT;
	return d->irqs[kind].fds[vector];
}

int64_t usher_irq_wait(struct usher_device *d, enum usher_irq kind, uint32_t vector, int timeout_ms)
{
	struct pollfd p = {.fd = usher_irq_fd(d, kind, vector), .events = POLLIN};
	eventfd_t n = 0;

	if (p.fd < 0)
		return -ENOENT;
	if (!eventfd_read(p.fd, &n))
		return (int64_t)min_u64(n, INT64_MAX);
	int r = poll(&p, 1, timeout_ms);
	if (r < 0)
		return -errno;
	if (!r || eventfd_read(p.fd, &n))
		return -ETIMEDOUT;
	return (int64_t)min_u64(n, INT64_MAX);
}

int usher_irq_mask(struct usher_device *d, enum usher_irq kind)
{
	return device_verdict(d, vfio_irq_mask(&d->vfio, kind));
}

int usher_irq_unmask(struct usher_device *d, enum usher_irq kind)
{
	return device_verdict(d, vfio_irq_unmask(&d->vfio, kind));
}

int usher_irq_resample(struct usher_device *d, enum usher_irq kind, int fd)
{
	return device_verdict(d, vfio_irq_unmask_fd(&d->vfio, kind, fd));
}

int usher_irq_fire(struct usher_device *d, enum usher_irq kind, uint32_t vector)
{
	return device_verdict(d, vfio_irq_fire(&d->vfio, kind, vector, 1));
}
