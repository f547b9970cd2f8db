/* SPDX-License-Identifier: MIT */
/*
 * Devices and groups join a space and leave it.
 *
 * How it works. The back end's I/O address space exists from the first member to the last one, the
 * struct usher_space for as long as its owner wants. Invariant: while there is a member, the IOMMU
 * maps exactly what the table of mappings says. So the first member makes every mapping once more,
 * and the last one leaves the table as it is. To open or close a device may take a second, because
 * the kernel resets it. That needs s->joining only; s->lock, which each mapping takes, is not held.
 */
#include "base/num.h"
#include "base/usher_err.h"
#include "host/host.h"
#include "lib/space.h"
#include "vfio/device.h"
#include "vfio/type1.h"

#include <errno.h>

/* Under s->joining. */
static int ioas_start(
	struct usher_space *s, const struct vfio_ioas_ops *backend, struct usher_err *e)
{
	struct vfio_ioas opened;

	if (s->members && s->ioas.ops != backend)
		return err_say(err_from_usher(e), -EINVAL,
			"a model and a real device cannot share a space");
	if (s->members)
		return 0;
	int r = vfio_ioas_open(backend, &opened, err_from_usher(e));
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&s->lock);
	s->ioas = opened;
	(void)pthread_mutex_unlock(&s->lock);
	return 0;
}

static void ioas_end_if_empty(struct usher_space *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->members = s->ioas.members;
	if (!s->members) {
		/*
		 * The kernel drops mappings with the last group, but not if others have the space.
		 */
		if (s->ioas.is_shared)
			space_unmap_all(s);
		vfio_ioas_close(&s->ioas);
		s->iommu = (struct vfio_iommu){0};
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* What can the IOMMU do now, and where may mappings go? Under s->lock. */
static int ioas_learn(struct usher_space *s, struct usher_err *e)
{
	int r = vfio_ioas_info(&s->ioas, &s->iommu, err_from_usher(e));

	if (r < 0)
		return r;
	if (!s->members) {
		r = space_replay(s, e);
		if (r < 0)
			return r;
	}
	r = space_rebuild(s);
	return r < 0 ? err_set(err_from_usher(e), r, "learn which IOVAs are free") : 0;
}

static int ioas_learn_now(struct usher_space *s, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = ioas_learn(s, e);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

static void members_update(struct usher_space *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->members = s->ioas.members;
	(void)pthread_mutex_unlock(&s->lock);
}

/* A member has joined the back end's space. */
static int ioas_settle(struct usher_space *s, struct usher_err *e)
{
	int r = ioas_learn_now(s, e);

	if (r >= 0)
		members_update(s);
	return r;
}

static int attach_joining(struct usher_space *s, const struct vfio_ioas_ops *backend,
	const struct vfio_member *m, struct vfio_dev *ret, struct usher_err *e)
{
	int r = ioas_start(s, backend, e);

	if (r < 0)
		return r;
	r = vfio_ioas_attach(&s->ioas, m, ret, err_from_usher(e));
	if (r >= 0) {
		r = ioas_settle(s, e);
		if (r < 0)
			vfio_ioas_detach(&s->ioas, ret);
	}
	if (r < 0)
		ioas_end_if_empty(s);
	return r;
}

int space_attach(struct usher_space *s, const struct vfio_ioas_ops *backend,
	const struct vfio_member *m, struct vfio_dev *ret, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->joining);
	int r = attach_joining(s, backend, m, ret, e);
	(void)pthread_mutex_unlock(&s->joining);
	return r;
}

/* The descriptor still belongs to its giver. */
static void ioas_disown(struct usher_space *s)
{
	(void)pthread_mutex_lock(&s->lock);
	space_unmap_all(s);
	s->ioas.fd = -1;
	vfio_ioas_close(&s->ioas);
	(void)pthread_mutex_unlock(&s->lock);
}

static int ioas_start_handed(struct usher_space *s, int container, struct usher_err *e)
{
	struct vfio_ioas handed;
	int r = vfio_ioas_from_fd(container, &handed, err_from_usher(e));

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&s->lock);
	s->ioas = handed;
	(void)pthread_mutex_unlock(&s->lock);
	r = ioas_learn_now(s, e);
	if (r < 0)
		ioas_disown(s);
	return r;
}

static int adopt_joining(
	struct usher_space *s, int container, int group, struct vfio_dev *d, struct usher_err *e)
{
	if (s->members && s->ioas.fd != container)
		return err_say(err_from_usher(e), -EINVAL,
			"the space has another container than descriptor %d", container);
	int r = s->members ? 0 : ioas_start_handed(s, container, e);
	if (r < 0)
		return r;
	r = vfio_ioas_adopt(&s->ioas, host_live(), d, group, err_from_usher(e));
	if (r >= 0)
		members_update(s);
	else if (!s->members)
		ioas_disown(s);
	return r;
}

int space_adopt(
	struct usher_space *s, int container, int group, struct vfio_dev *d, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->joining);
	int r = adopt_joining(s, container, group, d, e);
	(void)pthread_mutex_unlock(&s->joining);
	return r;
}

void space_detach(struct usher_space *s, struct vfio_dev *d)
{
	(void)pthread_mutex_lock(&s->joining);
	vfio_ioas_detach(&s->ioas, d);
	ioas_end_if_empty(s);
	(void)pthread_mutex_unlock(&s->joining);
}

static int attach_group_joining(struct usher_space *s, int group, struct usher_err *e)
{
	const struct vfio_member m = {.host = host_live(), .group = group};
	int r = ioas_start(s, s->members ? s->ioas.ops : &vfio_type1, e);

	if (r < 0)
		return r;
	r = vfio_ioas_bind(&s->ioas, &m, err_from_usher(e));
	if (r >= 0) {
		r = ioas_settle(s, e);
		if (r < 0)
			(void)vfio_ioas_unbind(&s->ioas, group, NULL);
	}
	if (r < 0)
		ioas_end_if_empty(s);
	return r;
}

int usher_space_attach_group(struct usher_space *s, int group, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->joining);
	int r = attach_group_joining(s, group, e);
	(void)pthread_mutex_unlock(&s->joining);
	return r;
}

int usher_space_detach_group(struct usher_space *s, int group, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->joining);
	int r = s->members ? vfio_ioas_unbind(&s->ioas, group, err_from_usher(e)) : -ENOENT;
	if (!s->members)
		(void)err_say(err_from_usher(e), r, "IOMMU group %d is not in the space", group);
	else if (r >= 0)
		ioas_end_if_empty(s);
	(void)pthread_mutex_unlock(&s->joining);
	return r;
}

int usher_space_can(struct usher_space *s, enum usher_space_ability what)
{
	static const enum vfio_ability abilities[] = {
		[USHER_SPACE_COHERENT] = VFIO_CAN_COHERENT,
		[USHER_SPACE_UNMAP_ALL] = VFIO_CAN_UNMAP_ALL,
		[USHER_SPACE_UPDATE_VADDR] = VFIO_CAN_UPDATE_VADDR,
	};

	if ((size_t)what >= COUNT(abilities))
		return 0;
	(void)pthread_mutex_lock(&s->lock);
	bool can = s->members && vfio_ioas_can(&s->ioas, abilities[what]);
	(void)pthread_mutex_unlock(&s->lock);
	return can;
}
