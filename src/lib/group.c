/* SPDX-License-Identifier: MIT */
/* Groups come into a space and leave it; the first brings the IOMMU, the last takes it away. */
#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "host/host.h"
#include "lib/space.h"
#include "model/host.h"

#include <errno.h>
#include <linux/vfio.h>
#include <unistd.h>

static struct space_group *find(struct usher_space *s, int number)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++)
		if (s->groups[i].used && s->groups[i].vfio.number == number)
			return &s->groups[i];
	return NULL;
}

static struct space_group *find_free(struct usher_space *s, struct usher_err *e)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++)
		if (!s->groups[i].used)
			return &s->groups[i];
	(void)err_say(fault(e), -ENOSPC, "a space holds %d groups at most", SPACE_GROUPS_MAX);
	return NULL;
}

/* The group is in the container: what can the IOMMU do now, and where may mappings go? */
static int settle(struct usher_space *s, struct usher_err *e)
{
	int r = vfio_container_info(&s->container, &s->iommu, fault(e));

	if (r < 0)
		return r;
	if (s->group_count == 0)
		r = space_replay(s, e);
	if (r < 0)
		return r;
	r = space_rebuild(s);
	return r < 0 ? err_set(fault(e), r, "learn which IOVAs are free") : 0;
}

static int open_container(struct usher_space *s, bool is_model, struct usher_err *e)
{
	if (s->container.fd >= 0)
		return 0;
	int r = is_model ? model_container_open(&s->container)
			 : vfio_container_open(&s->container, fault(e));
	s->is_model = is_model;
	return r;
}

static int open_group(
	int number, struct usher_model_device *model, struct vfio_group *ret, struct usher_err *e)
{
	if (!model)
		return vfio_group_open(host_live(), number, ret, fault(e));
	int r = model_group_open(model, ret);
	return r < 0 ? err_set(fault(e), r, "open the group of a model") : 0;
}

static int put_in(struct usher_space *s, struct vfio_group *g, struct usher_err *e)
{
	int r = vfio_group_set_container(
		g, &s->container, s->is_model ? NULL : host_live(), fault(e));

	if (r >= 0 && s->group_count == 0)
		r = vfio_container_set_iommu(&s->container, fault(e));
	return r < 0 ? r : settle(s, e);
}

void space_unmap_all(struct usher_space *s)
{
	for (size_t i = 0; i < s->maps.room; i++) {
		const struct mapping *m = &s->maps.slots[i];
		if (m->size && m->host)
			(void)vfio_dma_unmap(&s->container, IOVA(m->iova), m->size, NULL);
	}
}

static void forget_container(struct usher_space *s)
{
	if (s->group_count)
		return;
	/* What the kernel drops with a container's last group is ours to drop where others have it. */
	if (s->is_handed)
		space_unmap_all(s);
	vfio_container_close(&s->container);
	s->is_handed = false;
	s->iommu = (struct vfio_iommu){0};
}

static int enter(struct usher_space *s, int number, struct usher_model_device *model,
	struct space_group **ret, struct usher_err *e)
{
	struct space_group *g = find(s, number);

	if (g) {
		*ret = g;
		return 0;
	}
	if (s->group_count && s->is_model != (model != NULL))
		return err_say(fault(e), -EINVAL, "a model and a real device cannot share a space");
	g = find_free(s, e);
	if (!g)
		return -ENOSPC;
	struct vfio_group opened = VFIO_GROUP_NONE;
	int r = open_group(number, model, &opened, e);
	if (r >= 0)
		r = open_container(s, model != NULL, e);
	if (r >= 0)
		r = put_in(s, &opened, e);
	if (r < 0) {
		vfio_group_close(&opened); /* which takes it out of the container */
		forget_container(s);
		return r;
	}
	*g = (struct space_group){.vfio = opened, .used = true};
	s->group_count++;
	*ret = g;
	return 0;
}

int space_enter(struct usher_space *s, int number, struct usher_model_device *model,
	struct space_group **ret, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = enter(s, number, model, ret, e);
	if (r >= 0)
		(*ret)->devices++;
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

/* Devices that came without their group share one place. */
static struct space_group *find_handed(struct usher_space *s, int group)
{
	for (size_t i = 0; i < SPACE_GROUPS_MAX; i++)
		if (s->groups[i].used && s->groups[i].vfio.fd == group)
			return &s->groups[i];
	return NULL;
}

static int adopt(struct usher_space *s, int container, int group, struct space_group **ret,
	struct usher_err *e)
{
	struct vfio_container c = VFIO_CONTAINER_NONE;
	struct vfio_group g = VFIO_GROUP_NONE;
	struct space_group *slot = NULL;
	int r = 0;

	if (s->group_count && s->container.fd != container)
		return err_say(fault(e), -EINVAL,
			"the space has another container than descriptor %d", container);
	slot = find_handed(s, group);
	if (slot) {
		*ret = slot;
		return 0;
	}
	slot = find_free(s, e);
	if (!slot)
		return -ENOSPC;
	if (!s->group_count)
		r = vfio_container_from_fd(container, &c, fault(e));
	if (r >= 0 && group >= 0)
		r = vfio_group_from_fd(host_live(), group, &g, fault(e));
	if (r < 0)
		return r;
	if (!s->group_count) {
		s->container = c;
		s->is_model = false;
		s->is_handed = true;
		r = settle(s, e);
	}
	if (r < 0) {
		s->is_handed = false;
		s->container = VFIO_CONTAINER_NONE; /* the descriptor is still its giver's */
		return r;
	}
	*slot = (struct space_group){.vfio = g, .used = true};
	s->group_count++;
	*ret = slot;
	return 0;
}

int space_adopt(struct usher_space *s, int container, int group, struct space_group **ret,
	struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = adopt(s, container, group, ret, e);
	if (r >= 0)
		(*ret)->devices++;
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

static void drop(struct usher_space *s, struct space_group *g)
{
	if (g->vfio.fd >= 0) {
		(void)vfio_group_unset_container(&g->vfio, NULL);
		vfio_group_close(&g->vfio);
	}
	*g = (struct space_group){.vfio = VFIO_GROUP_NONE};
	s->group_count--;
	forget_container(s);
}

void space_drop(struct usher_space *s, struct space_group *g)
{
	(void)pthread_mutex_lock(&s->lock);
	drop(s, g);
	(void)pthread_mutex_unlock(&s->lock);
}

void space_leave(struct usher_space *s, struct space_group *g)
{
	(void)pthread_mutex_lock(&s->lock);
	if (--g->devices == 0 && !g->kept)
		drop(s, g);
	(void)pthread_mutex_unlock(&s->lock);
}

static int attach(struct usher_space *s, int group, struct usher_err *e)
{
	struct space_group *g = find(s, group);

	if (g && g->kept)
		return err_say(fault(e), -EEXIST, "IOMMU group %d is in the space already", group);
	int r = enter(s, group, NULL, &g, e);
	if (r >= 0)
		g->kept = true;
	return r;
}

int usher_space_attach_group(struct usher_space *s, int group, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = attach(s, group, e);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

static int detach(struct usher_space *s, int group, struct usher_err *e)
{
	struct space_group *g = find(s, group);

	if (!g)
		return err_say(fault(e), -ENOENT, "IOMMU group %d is not in the space", group);
	if (g->devices)
		return err_say(
			fault(e), -EBUSY, "IOMMU group %d has %u open devices", group, g->devices);
	drop(s, g);
	return 0;
}

int usher_space_detach_group(struct usher_space *s, int group, struct usher_err *e)
{
	(void)pthread_mutex_lock(&s->lock);
	int r = detach(s, group, e);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

int usher_space_can(struct usher_space *s, enum usher_space_ability what)
{
	static const unsigned long extensions[] = {
		[USHER_SPACE_COHERENT] = VFIO_DMA_CC_IOMMU,
		[USHER_SPACE_UNMAP_ALL] = VFIO_UNMAP_ALL,
		[USHER_SPACE_UPDATE_VADDR] = VFIO_UPDATE_VADDR,
	};

	if ((size_t)what >= COUNT(extensions))
		return 0;
	(void)pthread_mutex_lock(&s->lock);
	int r = s->group_count ? vfio_container_has(&s->container, extensions[what]) : 0;
	(void)pthread_mutex_unlock(&s->lock);
	return r > 0;
}
