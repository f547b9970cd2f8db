/* SPDX-License-Identifier: MIT */
/*
 * Devices by descriptors that another process handed over.
 *
 * How it works. Several devices may name one container. They share one space then, which closes the
 * container once, and likewise a group that two of them name. Invariant: one container, one space;
 * the registry remembers which. A device that is opened without a space shares the space of its
 * container; the last such device frees it.
 */
#include "lib/handed.h"

#include "base/fd.h"
#include "base/usher_err.h"
#include "lib/registry.h"

#include <errno.h>

static int space_choose(
	struct usher_device *d, struct usher_space *s, int container, struct usher_err *e)
{
	struct usher_space *has = registry_find(container);

	if (s && has && s != has) {
		(void)err_say(err_from_usher(e), -EBUSY,
			"the container of descriptor %d is another IOVA space's", container);
		err_hint(err_from_usher(e), "open both devices into one space");
		return -EBUSY;
	}
	d->space = s ? s : has;
	if (!d->space) {
		int r = usher_space_new(NULL, &d->space, e);
		if (r < 0)
			return r;
		d->space->owners = 1;
		d->own_space = true;
	} else if (!s && has->owners) {
		has->owners++;
		d->own_space = true;
	}
	return 0;
}

static bool is_open_in(struct usher_space *s, int fd)
{
	bool found = false;

	(void)pthread_mutex_lock(&s->lock);
	for (const struct usher_device *o = s->devices; o && !found; o = o->next)
		found = o->vfio.fd == fd;
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

static int enter_locked(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	int r = space_choose(d, s, u->container, e);

	if (r < 0)
		return r;
	if (is_open_in(d->space, u->device))
		return err_say(err_from_usher(e), -EBUSY,
			"the device of descriptor %d is open already", u->device);
	r = space_adopt(d->space, u->container, u->group, &d->vfio, e);
	if (r < 0)
		return r;
	registry_add(d->space);
	/* A program that this one executes must not inherit them. */
	(void)fd_set_cloexec(u->container, 1);
	(void)fd_set_cloexec(u->device, 1);
	if (u->group >= 0)
		(void)fd_set_cloexec(u->group, 1);
	return 0;
}

int handed_enter(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	registry_lock();
	int r = enter_locked(d, s, u, e);
	registry_unlock();
	return r;
}

void handed_put(struct usher_space *s)
{
	registry_lock();
	bool last = --s->owners == 0;
	if (last)
		registry_remove(s);
	registry_unlock();
	if (last)
		usher_space_free(s);
}
