/* SPDX-License-Identifier: MIT */
/* Opening a device, from its name to its registers, and closing it in order. */
#include "lib/device.h"

#include "base/bits.h"
#include "base/num.h"
#include "base/usher_err.h"
#include "host/host.h"
#include "lib/handed.h"
#include "model/host.h"
#include "pci/device.h"
#include "vfio/type1.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int group_of(const char *name, int *ret, struct usher_err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_address a;
	struct pci_device p;

	(void)snprintf(address, sizeof(address), "%.*s", (int)strcspn(name, " "), name);
	int r = pci_address_parse(address, &a);
	if (r >= 0)
		r = pci_device_read(host_live(), a, &p, err_from_usher(e));
	if (r < 0)
		return r;
	if (p.group == PCI_GROUP_NONE) {
		(void)err_say(err_from_usher(e), -ENODEV, "%s is in no IOMMU group", address);
		err_hint(err_from_usher(e),
			"switch the IOMMU on in the firmware, and for the kernel: "
			"intel_iommu=on");
		return -ENODEV;
	}
	*ret = p.group;
	return 0;
}

static int open_pci(struct usher_device *d, const struct device_uri *u, struct usher_err *e)
{
	int number = -1;
	int r = group_of(u->name, &number, e);

	if (r < 0)
		return r;
	(void)snprintf(
		d->info.name, sizeof(d->info.name), "%.*s", (int)strcspn(u->name, " "), u->name);
	d->info.group = number;
	const struct vfio_member m = {.host = host_live(), .name = u->name, .group = number};
	return space_attach(d->space, &vfio_type1, &m, &d->vfio, e);
}

static int open_model(struct usher_device *d, const struct device_uri *u, struct usher_err *e)
{
	const struct usher_model *m = model_find(u->name);

	if (!m)
		return err_say(err_from_usher(e), -ENODEV, "no model '%s' is registered", u->name);
	int r = model_plug(m, u->arguments, &d->model);
	if (r < 0)
		return err_set(err_from_usher(e), r, "make a model '%s'", u->name);
	(void)snprintf(d->info.name, sizeof(d->info.name), "%s", d->model->name);
	const struct vfio_member member = {.name = d->model->name, .group = d->model->group};
	return space_attach(d->space, &model_ioas, &member, &d->vfio, e);
}

/* Reads what every driver needs: regions, identity, class. */
static int device_learn(struct usher_device *d, struct usher_err *e)
{
	uint64_t v = 0;
	struct vfio_region *config = &d->regions[USHER_CONFIG];
	int r = 0;

	for (uint32_t i = 0; i < DEVICE_REGIONS && i < d->vfio.region_count && r >= 0; i++) {
		r = vfio_region_info(&d->vfio, i, &d->regions[i], err_from_usher(e));
		if (r == -EINVAL && i == USHER_VGA)
			r = 0; /* only a VGA device has it */
	}
	if (r >= 0)
		r = vfio_region_get(&d->vfio, config, PCI_VENDOR_ID, 4, &v);
	if (r < 0 || (uint32_t)v == UINT32_MAX || !device_answers(d))
		return err_say(err_from_usher(e), -ENODEV, "%s does not answer", d->info.name);
	d->info.vendor = (uint16_t)v;
	d->info.device = (uint16_t)(v >> 16);
	r = vfio_region_get(&d->vfio, config, PCI_CLASS_REVISION, 4, &v);
	d->info.class_code = (uint32_t)v >> 8;
	d->info.regions = d->vfio.region_count;
	d->info.irq_kinds = d->vfio.irq_count;
	d->info.atomics = vfio_dev_atomics(&d->vfio);
	/* Off after open, but a device that was handed over may have been used before. */
	return r < 0 ? r : usher_device_master_off(d, e);
}

/* Everything that can fail comes before the library owns the descriptors. */
static int open_fds(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	(void)snprintf(d->info.name, sizeof(d->info.name), "%.31s", u->name);
	int r = vfio_dev_from_fd(u->device, &d->vfio, err_from_usher(e));

	if (r >= 0)
		r = device_learn(d, e);
	if (r >= 0)
		r = handed_enter(d, s, u, e);
	if (r < 0)
		d->vfio = VFIO_DEV_NONE;
	return r;
}

static int open_own(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	int r = 0;

	d->space = s;
	if (!s) {
		r = usher_space_new(NULL, &d->space, e);
		if (r < 0)
			return r;
		d->space->owners = 1;
		d->own_space = true;
	}
	r = u->kind == URI_PCI ? open_pci(d, u, e) : open_model(d, u, e);
	return r < 0 ? r : device_learn(d, e);
}

static void unlink_from_space(struct usher_device *d)
{
	struct usher_space *s = d->space;
	struct usher_device **at = &s->devices;

	(void)pthread_mutex_lock(&s->lock);
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	s->mask = UINT64_MAX;
	for (const struct usher_device *o = s->devices; o; o = o->next)
		s->mask = min_u64(s->mask, low_bits(o->dma_bits));
	if (s->members)
		(void)space_rebuild(s);
	(void)pthread_mutex_unlock(&s->lock);
}

int usher_device_open(
	const char *uri, struct usher_space *s, struct usher_device **ret, struct usher_err *e)
{
	struct device_uri u;
	int r = device_uri_parse(uri, &u, e);

	if (r < 0)
		return r;
	struct usher_device *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err_from_usher(e), -ENOMEM, "open %s", uri);
	d->vfio = VFIO_DEV_NONE;
	d->dma_bits = 64;
	d->info.group = -1;
	r = u.kind == URI_FD ? open_fds(d, s, &u, e) : open_own(d, s, &u, e);
	if (r < 0) {
		usher_device_close(d);
		return r;
	}
	(void)pthread_mutex_lock(&d->space->lock);
	d->next = d->space->devices;
	d->space->devices = d;
	(void)pthread_mutex_unlock(&d->space->lock);
	*ret = d;
	return 0;
}

struct usher_device *usher_device_close(struct usher_device *d)
{
	if (!d)
		return NULL;
	if (d->vfio.ops) {
		(void)usher_device_master_off(d, NULL);
		device_irqs_off(d, DEVICE_KINDS);
		device_windows_close(d);
	}
	if (d->space)
		unlink_from_space(d);
	if (d->vfio.ops)
		space_detach(d->space, &d->vfio);
	if (d->model)
		model_unplug(d->model);
	if (d->own_space)
		handed_put(d->space);
	free(d);
	return NULL;
}

struct usher_space *usher_device_space(struct usher_device *d)
{
	return d->space;
}

const struct usher_device_info *usher_device_query_sized(const struct usher_device *d, size_t size)
{
	return size <= sizeof(d->info_room) ? &d->info : NULL;
}

int usher_device_gone(const struct usher_device *d)
{
	return d->gone;
}

struct usher_model_device *usher_model_of(struct usher_device *d)
{
	return d->model;
}

int usher_device_set_dma_bits(struct usher_device *d, unsigned bits, struct usher_err *e)
{
	struct usher_space *s = d->space;
	uint64_t above = 0;
	int r = 0;

	if (bits < 12 || bits > 64)
		return err_say(
			err_from_usher(e), -EINVAL, "no device has a DMA mask of %u bits", bits);
	(void)pthread_mutex_lock(&s->lock);
	if (!space_fits(s, low_bits(bits), &above)) {
		r = -ERANGE;
	} else {
		d->dma_bits = bits;
		s->mask = low_bits(bits);
		for (const struct usher_device *o = s->devices; o; o = o->next)
			s->mask = min_u64(s->mask, low_bits(o->dma_bits));
		r = space_rebuild(s);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (r < 0)
		(void)err_say(err_from_usher(e), r,
			"%s reaches %u bits of IOVA, but 0x%" PRIx64 " is mapped already",
			d->info.name, bits, above);
	return r;
}
