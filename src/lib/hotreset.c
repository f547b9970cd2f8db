/* SPDX-License-Identifier: MIT */
/* The reset of a bus or slot: which devices it hits, and which groups' owner may ask for it. */
#include "base/fault.h"
#include "lib/device.h"
#include "vfio/hotreset.h"

#include <errno.h>
#include <stdlib.h>

/* What a reset hits, as the kernel told. */
struct hits {
	struct vfio_dependent *list;
	size_t count;
};

static int ask(struct usher_device *d, struct hits *ret, struct usher_err *e)
{
	int n = vfio_hotreset_info(&d->vfio, &ret->list, fault(e));

	if (n < 0)
		return err_in(fault(e), n, "%s", d->info.name);
	ret->count = (size_t)n;
	return 0;
}

/* The descriptor is the proof of ownership. @number -1: the first whose number is not known. */
static const struct space_group *find_group(const struct usher_space *s, int number)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++) {
		const struct space_group *g = &s->groups[i];
		if (g->used && g->vfio.fd >= 0 && g->vfio.number == number)
			return g;
	}
	return NULL;
}

int usher_device_dependents(
	struct usher_device *d, struct usher_dependent *ret, size_t max, struct usher_err *e)
{
	struct hits h = {.list = NULL};
	int r = ask(d, &h, e);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&d->space->lock);
	for (size_t i = 0; i < h.count && i < max; i++) {
		(void)pci_address_format(h.list[i].address, ret[i].address);
		ret[i].group = h.list[i].group;
		ret[i].owned = find_group(d->space, h.list[i].group) != NULL;
	}
	(void)pthread_mutex_unlock(&d->space->lock);
	free(h.list);
	return (int)h.count;
}

static int not_ours(
	const struct usher_device *d, const struct vfio_dependent *v, struct usher_err *e)
{
	char address[PCI_ADDRESS_TEXT];

	(void)err_say(fault(e), -EPERM,
		"%s: a reset of the bus hits %s of IOMMU group %d, which is not ours", d->info.name,
		pci_address_format(v->address, address), v->group);
	err_hint(fault(e), "bind it and attach group %d to the space", v->group);
	return -EPERM;
}

static bool is_repeated(const struct hits *h, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (h->list[i].group == h->list[at].group)
			return true;
	return false;
}

/*
 * The kernel takes the groups that are hit, each once: with more descriptors than functions it
 * refuses. A group that came as a descriptor may have no number; then the kernel alone can tell.
 */
static int collect(struct usher_device *d, const struct hits *h, int *fds, struct usher_err *e)
{
	const struct space_group *unknown = find_group(d->space, -1);
	int count = 0;

	for (size_t i = 0; i < h->count && count < SPACE_GROUPS_MAX; i++) {
		if (is_repeated(h, i))
			continue;
		const struct space_group *g = find_group(d->space, h->list[i].group);
		if (!g && !unknown)
			return not_ours(d, &h->list[i], e);
		if (g)
			fds[count++] = g->vfio.fd;
	}
	for (size_t i = 0; i < SPACE_GROUPS_MAX && (size_t)count < h->count; i++) {
		const struct space_group *g = &d->space->groups[i];
		if (g->used && g->vfio.fd >= 0 && g->vfio.number < 0)
			fds[count++] = g->vfio.fd;
	}
	return count;
}

/* By its address; of a model, or of one handed over without a name, by its group. */
static bool is_hit(const struct usher_device *d, const struct hits *h)
{
	struct pci_address a = {0};
	const bool named = !d->model && pci_address_parse(d->info.name, &a) >= 0;
	const int group = d->group->vfio.number;

	for (size_t i = 0; i < h->count; i++)
		if (named ? pci_address_equal(a, h->list[i].address) : group == h->list[i].group)
			return true;
	return !named && group < 0;
}

int usher_device_hot_reset(struct usher_device *d, struct usher_err *e)
{
	struct hits h = {.list = NULL};
	int fds[SPACE_GROUPS_MAX], r = ask(d, &h, e);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&d->space->lock);
	r = collect(d, &h, fds, e);
	for (struct usher_device *o = d->space->devices; o && r >= 0; o = o->next)
		if (is_hit(o, &h))
			device_quiesce(o);
	if (r >= 0) {
		r = vfio_hotreset(&d->vfio, fds, (size_t)r);
		if (r < 0)
			(void)err_set(fault(e), r, "%s: reset its bus", d->info.name);
		if (r == -EINVAL)
			err_hint(fault(e), "every function on it must be on vfio-pci, and none "
					   "may be a virtual function");
	}
	(void)pthread_mutex_unlock(&d->space->lock);
	free(h.list);
	if (r < 0)
		return r;
	return device_answers(d)
		       ? 0
		       : err_say(fault(e), -ENODEV, "%s is gone after its reset", d->info.name);
}
