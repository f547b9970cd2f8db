/* SPDX-License-Identifier: MIT */
/* The I/O address space of models: the verbs of vfio/ioas.h by the kernel's steps. */
#include "base/err.h"
#include "base/fd.h"
#include "model/host.h"
#include "vfio/ioas.h"

#include <errno.h>

static int space_open(struct vfio_ioas *ret, struct err *e)
{
	struct model_container *c;
	int r = model_container_open(&c);

	if (r < 0)
		return err_set(e, r, "make an I/O address space for models");
	ret->fd = c->fd;
	ret->state = c;
	return 0;
}

/* The group goes, unless something of it is left in the space. */
static void group_leave(struct usher_model_device *d)
{
	if (d->attached || d->is_bound)
		return;
	model_group_close(d);
	fd_close(&d->group_fd);
}

static void space_close(struct vfio_ioas *s)
{
	struct usher_model_device *d;

	while ((d = model_find_inside(s->state))) {
		d->is_bound = false;
		d->attached = 0;
		group_leave(d);
	}
	fd_close(&s->fd);
	model_container_close(s->state);
}

static int group_start(const struct vfio_ioas *s, struct usher_model_device *d)
{
	struct model_container *c = s->state;
	int r = model_group_set_container(d, s->fd);

	if (r < 0)
		return r;
	return model_container_ready(c) ? 0 : model_container_set_iommu(c);
}

/* The group of a device enters, unless it is inside. */
static int group_enter(const struct vfio_ioas *s, struct usher_model_device *d)
{
	if (d->group_open && d->container == s->state)
		return 0;
	int fd = model_group_open(d);
	if (fd < 0)
		return fd;
	int r = group_start(s, d);
	if (r < 0)
		group_leave(d);
	return r;
}

static int space_bind(struct vfio_ioas *s, const struct vfio_member *m, struct err *e)
{
	struct usher_model_device *d = model_find_plugged(m->group);

	if (!d)
		return err_say(e, -ENOENT, "no model is in IOMMU group %d", m->group);
	int r = group_enter(s, d);
	if (r < 0)
		return err_set(e, r, "open the group of a model");
	if (d->is_bound)
		return -EEXIST;
	d->is_bound = true;
	return 0;
}

static int space_unbind(struct vfio_ioas *s, int group)
{
	struct usher_model_device *d = model_find_plugged(group);

	if (!d || !d->group_open || d->container != s->state)
		return -ENOENT;
	if (d->attached)
		return -EBUSY;
	d->is_bound = false;
	group_leave(d);
	return 0;
}

static int space_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e)
{
	struct usher_model_device *d = model_find_plugged(m->group);

	if (!d)
		return err_say(e, -ENODEV, "no model is in IOMMU group %d", m->group);
	int r = group_enter(s, d);
	if (r < 0)
		return err_set(e, r, "open the group of a model");
	int fd = model_group_device(d, m->name);
	if (fd < 0) {
		group_leave(d);
		return err_set(e, fd, "open '%s'", m->name);
	}
	r = model_device_verbs(d, fd, ret, e);
	if (r < 0) {
		fd_close(&fd);
		model_device_close(d);
		group_leave(d);
		return r;
	}
	d->attached++;
	return 0;
}

static void space_detach(struct vfio_ioas *s, struct vfio_dev *v)
{
	struct usher_model_device *d = v->model;

	(void)s;
	vfio_dev_close(v);
	d->attached--;
	group_leave(d);
}

static int space_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	int r = model_container_info(s->state, ret);

	return r < 0 ? err_set(e, r, "ask the container for its IOMMU") : 0;
}

static bool space_can(struct vfio_ioas *s, enum vfio_ability what)
{
	(void)s;
	return what == VFIO_CAN_UNMAP_ALL || what == VFIO_CAN_COHERENT;
}

static int space_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	return model_container_map(s->state, iova, host, size, access);
}

static int space_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	return model_container_unmap(s->state, iova, size, ret);
}

static int space_kvm_file(const struct vfio_ioas *s, const struct vfio_dev *v)
{
	(void)s, (void)v;
	return -ENOENT;
}

static bool space_owns(const struct vfio_ioas *s, int group)
{
	const struct usher_model_device *d = model_find_plugged(group);

	return d && d->group_open && d->container == s->state;
}

#define BUS_MAX 32

static int space_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *v, const struct vfio_dependent *hit, size_t count)
{
	int fds[BUS_MAX];
	size_t found = 0;

	if (vfio_hotreset_missing(s, hit, count) < count)
		return -EPERM;
	for (; found < count && found < BUS_MAX; found++)
		fds[found] = model_find_plugged(hit[found].group)->group_fd;
	return vfio_hotreset(v, fds, found);
}

const struct vfio_ioas_ops model_ioas = {
	.name = "a model",
	.open = space_open,
	.close = space_close,
	.bind = space_bind,
	.unbind = space_unbind,
	.attach = space_attach,
	.detach = space_detach,
	.info = space_info,
	.can = space_can,
	.map = space_map,
	.unmap = space_unmap,
	.kvm_file = space_kvm_file,
	.owns = space_owns,
	.missing = vfio_hotreset_missing,
	.reset_bus = space_reset_bus,
};
