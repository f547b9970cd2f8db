/* SPDX-License-Identifier: MIT */
/* The reset of a bus or slot: which functions it hits, and whether the space owns their groups. */
#include "base/sized.h"
#include "base/usher_err.h"
#include "lib/device.h"
#include "vfio/hotreset.h"

#include <errno.h>
#include <stdlib.h>

/* What a reset hits, as the kernel says. */
#define DEPENDENT_LEAST SIZE_UP_TO(struct usher_dependent, owned)

struct hits {
	struct vfio_dependent *list;
	size_t count;
};

static int hits_ask(struct usher_device *d, struct hits *ret, struct usher_err *e)
{
	int n = vfio_hotreset_info(&d->vfio, &ret->list, err_from_usher(e));

	if (n < 0)
		return err_in(err_from_usher(e), n, "%s", d->info.name);
	ret->count = (size_t)n;
	return 0;
}

int usher_device_dependents_sized(struct usher_device *d, struct usher_dependent *ret, size_t size,
	size_t max, struct usher_err *e)
{
	struct hits h = {.list = NULL};

	if (size < DEPENDENT_LEAST)
		return err_set(err_from_usher(e), -EINVAL, "list what a hot reset hits");
	int r = hits_ask(d, &h, e);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&d->space->joining);
	for (size_t i = 0; i < h.count && i < max; i++) {
		struct usher_dependent hit = {.group = h.list[i].group,
			.owned = vfio_ioas_owns(&d->space->ioas, h.list[i].group)};
		(void)pci_address_format(h.list[i].address, hit.address);
		(void)sized_write((char *)ret + i * size, size, DEPENDENT_LEAST, &hit, sizeof(hit));
	}
	(void)pthread_mutex_unlock(&d->space->joining);
	free(h.list);
	return (int)h.count;
}

static int not_ours(
	const struct usher_device *d, const struct vfio_dependent *v, struct usher_err *e)
{
	char address[PCI_ADDRESS_TEXT];

	(void)err_say(err_from_usher(e), -EPERM,
		"%s: a reset of the bus would hit %s of IOMMU group %d, which is not in the space",
		d->info.name, pci_address_format(v->address, address), v->group);
	err_hint(err_from_usher(e), "bind it and attach group %d to the space", v->group);
	return -EPERM;
}

/* Compares addresses; for a model, or a device that was handed over without a name, groups. */
static bool is_hit(const struct usher_device *d, const struct hits *h)
{
	struct pci_address a = {0};
	const bool named = !d->model && pci_address_parse(d->info.name, &a) >= 0;
	const int group = d->vfio.group;

	for (size_t i = 0; i < h->count; i++)
		if (named ? pci_address_equal(a, h->list[i].address) : group == h->list[i].group)
			return true;
	return !named && group < 0;
}

/* Quiesces every device of the space that the reset hits. */
static void hits_quiesce(const struct usher_device *d, const struct hits *h)
{
	for (struct usher_device *o = d->space->devices; o; o = o->next)
		if (is_hit(o, h))
			device_quiesce(o);
}

static int reset_hits(struct usher_device *d, const struct hits *h, struct usher_err *e)
{
	struct vfio_ioas *s = &d->space->ioas;
	size_t missing = vfio_ioas_missing(s, h->list, h->count);

	if (missing < h->count)
		return not_ours(d, &h->list[missing], e);
	hits_quiesce(d, h);
	int r = vfio_ioas_reset_bus(s, &d->vfio, h->list, h->count);
	if (r < 0)
		(void)err_set(err_from_usher(e), r, "%s: reset its bus", d->info.name);
	if (r == -EINVAL)
		err_hint(err_from_usher(e),
			"every function on it must be on vfio-pci, and none may be a "
			"virtual function");
	return r;
}

int usher_device_hot_reset(struct usher_device *d, struct usher_err *e)
{
	struct hits h = {.list = NULL};
	int r = hits_ask(d, &h, e);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&d->space->joining);
	(void)pthread_mutex_lock(&d->space->lock);
	r = reset_hits(d, &h, e);
	(void)pthread_mutex_unlock(&d->space->lock);
	(void)pthread_mutex_unlock(&d->space->joining);
	free(h.list);
	if (r < 0)
		return r;
	return device_answers(d) ? 0
				 : err_say(err_from_usher(e), -ENODEV, "%s is gone after its reset",
					   d->info.name);
}
