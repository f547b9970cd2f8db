/* SPDX-License-Identifier: MIT */
/*
 * The kernel's containers and groups as an I/O address space.
 *
 * How it works. The container is the space, a group is what its devices come by. A group enters the
 * container with its first device, or when it is bound, and leaves with its last device unless it
 * is bound. The first group to enter unlocks the IOMMU, and with the last one the kernel drops all
 * mappings. A slot keeps a group's descriptor for as long as the group is inside: the descriptor is
 * what opens further devices, and the proof of ownership that a bus reset wants.
 *
 * A container that was handed over mostly has its IOMMU set already. Its devices come as
 * descriptors, or by their group's; those without the latter share one slot, which owns nothing.
 */
#include "vfio/type1.h"

#include "base/err.h"
#include "base/num.h"
#include "host/host.h"
#include "vfio/container.h"
#include "vfio/device.h"
#include "vfio/explain.h"
#include "vfio/group.h"
#include "vfio/hotreset.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

_Static_assert(VFIO_DMA_READ == VFIO_DMA_MAP_FLAG_READ, "uapi");
_Static_assert(VFIO_DMA_WRITE == VFIO_DMA_MAP_FLAG_WRITE, "uapi");

#define GROUPS_MAX 32

struct type1_slot {
	struct vfio_group group; /* fd -1: devices were handed over without it */
	unsigned devices; /* attached */
	bool is_bound; /* stays without devices */
	bool is_used;
};

struct type1 {
	struct type1_slot slots[GROUPS_MAX];
	unsigned count; /* of groups inside */
};

static struct vfio_container type1_container(const struct vfio_ioas *s)
{
	return (struct vfio_container){.fd = s->fd};
}

static struct type1_slot *slot_find(const struct vfio_ioas *s, int group)
{
	struct type1 *t = s->state;

	for (size_t i = 0; group >= 0 && i < GROUPS_MAX; i++)
		if (t->slots[i].is_used && t->slots[i].group.number == group)
			return &t->slots[i];
	return NULL;
}

static struct type1_slot *slot_find_fd(const struct vfio_ioas *s, int fd)
{
	struct type1 *t = s->state;

	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (t->slots[i].is_used && t->slots[i].group.fd == fd)
			return &t->slots[i];
	return NULL;
}

static struct type1_slot *slot_find_free(struct type1 *t, struct err *e)
{
	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (!t->slots[i].is_used)
			return &t->slots[i];
	(void)err_say(e, -ENOSPC, "a space holds %d groups at most", GROUPS_MAX);
	return NULL;
}

static int slot_index(const struct vfio_ioas *s, const struct type1_slot *slot)
{
	const struct type1 *t = s->state;

	return (int)(slot - t->slots);
}

static void slot_leave(struct type1 *t, struct type1_slot *slot)
{
	if (slot->devices || slot->is_bound)
		return;
	if (slot->group.fd >= 0)
		(void)vfio_group_unset_container(&slot->group, NULL);
	vfio_group_close(&slot->group);
	*slot = (struct type1_slot){.group = VFIO_GROUP_NONE};
	t->count--;
}

static int group_enter(
	const struct vfio_ioas *s, struct vfio_group *g, struct host *h, struct err *e)
{
	const struct type1 *t = s->state;
	struct vfio_container c = type1_container(s);
	int r = vfio_group_set_container(g, &c, h, e);

	if (r < 0)
		return r;
	return t->count ? 0 : vfio_container_set_iommu(&c, e);
}

/* The slot of a group, which enters if it is not inside yet. Return: 0; -errno. */
static int slot_get(
	struct vfio_ioas *s, const struct vfio_member *m, struct type1_slot **ret, struct err *e)
{
	struct type1 *t = s->state;
	struct type1_slot *slot = slot_find(s, m->group);

	*ret = slot;
	if (slot)
		return 0;
	slot = slot_find_free(t, e);
	if (!slot)
		return -ENOSPC;
	struct vfio_group g = VFIO_GROUP_NONE;
	int r = vfio_group_open(m->host, m->group, &g, e);
	if (r < 0)
		return r;
	r = group_enter(s, &g, m->host, e);
	if (r < 0) {
		vfio_group_close(&g); /* which takes it out of the container */
		return r;
	}
	*slot = (struct type1_slot){.group = g, .is_used = true};
	t->count++;
	*ret = slot;
	return 0;
}

static int type1_init(struct vfio_ioas *s, int fd, struct err *e)
{
	struct type1 *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "make an I/O address space");
	for (size_t i = 0; i < GROUPS_MAX; i++)
		t->slots[i].group = VFIO_GROUP_NONE;
	s->ops = &vfio_type1;
	s->fd = fd;
	s->state = t;
	return 0;
}

static int type1_open(struct vfio_ioas *ret, struct err *e)
{
	struct vfio_container c = VFIO_CONTAINER_NONE;
	int r = vfio_container_open(&c, e);

	if (r < 0)
		return r;
	r = type1_init(ret, c.fd, e);
	if (r < 0)
		vfio_container_close(&c);
	return r;
}

int vfio_type1_from_fd(int fd, struct vfio_ioas *ret, struct err *e)
{
	struct vfio_container c;
	struct vfio_ioas s = VFIO_IOAS_NONE;
	int r = vfio_container_from_fd(fd, &c, e);

	if (r < 0)
		return r;
	r = type1_init(&s, fd, e);
	if (r < 0)
		return r;
	s.is_shared = true;
	*ret = s;
	return 0;
}

static void type1_close(struct vfio_ioas *s)
{
	struct vfio_container c = type1_container(s);
	struct type1 *t = s->state;

	for (size_t i = 0; i < GROUPS_MAX; i++)
		vfio_group_close(&t->slots[i].group);
	vfio_container_close(&c);
	free(t);
}

static int type1_bind(struct vfio_ioas *s, const struct vfio_member *m, struct err *e)
{
	struct type1_slot *slot;
	int r = slot_get(s, m, &slot, e);

	if (r < 0)
		return r;
	if (slot->is_bound)
		return -EEXIST;
	slot->is_bound = true;
	return 0;
}

static int type1_unbind(struct vfio_ioas *s, int group)
{
	struct type1_slot *slot = slot_find(s, group);

	if (!slot)
		return -ENOENT;
	if (slot->devices)
		return -EBUSY;
	slot->is_bound = false;
	slot_leave(s->state, slot);
	return 0;
}

static int explain_attach(const struct vfio_member *m, int code, struct err *e)
{
	char address[32];
	size_t len = 0;

	if (code != -ENODEV)
		return code;
	for (; m->name[len] && m->name[len] != ' ' && len < sizeof(address) - 1; len++)
		address[len] = m->name[len];
	address[len] = '\0';
	return vfio_explain_absent(m->host, address, e);
}

static int type1_attach(
	struct vfio_ioas *s, const struct vfio_member *m, struct vfio_dev *ret, struct err *e)
{
	struct type1_slot *slot;
	int r = slot_get(s, m, &slot, e);

	if (r < 0)
		return r;
	r = vfio_group_device(&slot->group, m->name, ret, e);
	if (r < 0) {
		slot_leave(s->state, slot);
		return explain_attach(m, r, e);
	}
	slot->devices++;
	ret->slot = slot_index(s, slot);
	return 0;
}

static int type1_adopt(
	struct vfio_ioas *s, struct host *h, struct vfio_dev *d, int group, struct err *e)
{
	struct type1 *t = s->state;
	struct vfio_group g = VFIO_GROUP_NONE;
	struct type1_slot *slot = slot_find_fd(s, group);

	if (!slot) {
		slot = slot_find_free(t, e);
		if (!slot)
			return -ENOSPC;
		int r = group >= 0 ? vfio_group_from_fd(h, group, &g, e) : 0;
		if (r < 0)
			return r;
		*slot = (struct type1_slot){.group = g, .is_used = true};
		t->count++;
	}
	slot->devices++;
	d->slot = slot_index(s, slot);
	d->group = slot->group.number;
	return 0;
}

/* The one who made the container may have set its IOMMU, and then the kernel refuses to. */
static int space_ready(struct vfio_ioas *s, struct err *e)
{
	struct vfio_container c = type1_container(s);
	struct vfio_iommu info;

	return vfio_container_info(&c, &info, NULL) == 0 ? 0 : vfio_container_set_iommu(&c, e);
}

/* A group that is in a container already is taken to be in this one: mappings will tell. */
static int group_receive(struct vfio_ioas *s, struct vfio_group *g, const struct vfio_member *m,
	struct vfio_dev *ret, struct err *e)
{
	struct vfio_container c = type1_container(s);
	int r = vfio_group_is_inside(g);

	if (r == 0)
		r = vfio_group_set_container(g, &c, m->host, e);
	if (r < 0)
		return r;
	r = space_ready(s, e);
	return r < 0 ? r : vfio_group_device(g, m->name, ret, e);
}

static int type1_receive(struct vfio_ioas *s, const struct vfio_member *m, int fd,
	struct vfio_dev *ret, struct err *e)
{
	struct vfio_group g;

	if (vfio_group_from_fd(m->host, fd, &g, NULL) < 0) {
		if (vfio_dev_from_fd(fd, ret, NULL) < 0)
			return err_say(e, -ENOTTY,
				"descriptor %d is neither a VFIO device nor a VFIO group", fd);
		int r = type1_adopt(s, m->host, ret, -1, e);
		return r < 0 ? r : 1;
	}
	int r = group_receive(s, &g, m, ret, e);
	if (r < 0)
		return explain_attach(m, r, e);
	r = type1_adopt(s, m->host, ret, fd, e);
	if (r < 0) {
		vfio_dev_close(ret);
		return r;
	}
	struct type1_slot *slot = slot_find_fd(s, fd);
	const int members = slot->is_bound ? 1 : 2;
	slot->is_bound = true; /* until vfio_ioas_unbind() */
	return members;
}

static void type1_detach(struct vfio_ioas *s, struct vfio_dev *d)
{
	struct type1 *t = s->state;
	struct type1_slot *slot = &t->slots[d->slot];

	/* The device first: a group does not leave the container while one is open. */
	vfio_dev_close(d);
	slot->devices--;
	slot_leave(t, slot);
}

static int type1_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	struct vfio_container c = type1_container(s);

	return vfio_container_info(&c, ret, e);
}

static bool type1_can(struct vfio_ioas *s, enum vfio_ability what)
{
	static const unsigned long extensions[] = {
		[VFIO_CAN_COHERENT] = VFIO_DMA_CC_IOMMU,
		[VFIO_CAN_UNMAP_ALL] = VFIO_UNMAP_ALL,
		[VFIO_CAN_UPDATE_VADDR] = VFIO_UPDATE_VADDR,
	};
	struct vfio_container c = type1_container(s);

	return (size_t)what < COUNT(extensions) && vfio_container_has(&c, extensions[what]) > 0;
}

static int type1_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = access & (VFIO_DMA_READ | VFIO_DMA_WRITE),
		.vaddr = (uintptr_t)host,
		.iova = iova.v,
		.size = size,
	};

	return ioctl(s->fd, VFIO_IOMMU_MAP_DMA, &m) < 0 ? -errno : 0;
}

/* The kernel writes what it really unmapped; "nothing there" is a success of 0 bytes. */
static int type1_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u),
		.iova = iova.v,
		.size = size,
	};

	if (ioctl(s->fd, VFIO_IOMMU_UNMAP_DMA, &u) < 0)
		return -errno;
	*ret = u.size;
	return 0;
}

/* The group's descriptor. */
static int type1_kvm_file(const struct vfio_ioas *s, const struct vfio_dev *d)
{
	const struct type1 *t = s->state;
	int fd = d->slot >= 0 ? t->slots[d->slot].group.fd : -1;

	return fd >= 0 ? fd : -ENOENT;
}

static bool type1_owns(const struct vfio_ioas *s, int group)
{
	const struct type1_slot *slot = slot_find(s, group);

	return slot && slot->group.fd >= 0;
}

static bool is_repeated(const struct vfio_dependent *hit, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (hit[i].group == hit[at].group)
			return true;
	return false;
}

static bool is_nameless(const struct type1_slot *slot)
{
	return slot->group.fd >= 0 && slot->group.number < 0;
}

/* A group that came as a descriptor may have no number. Then only the kernel can judge. */
static size_t type1_missing(
	const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count)
{
	const struct type1 *t = s->state;

	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (is_nameless(&t->slots[i]))
			return count;
	return vfio_hotreset_missing(s, hit, count);
}

/*
 * The kernel takes the groups that are hit, each once: with more descriptors than functions it
 * refuses.
 */
static size_t collect_groups(const struct vfio_ioas *s, const struct vfio_dependent *hit,
	size_t count, int fds[GROUPS_MAX])
{
	const struct type1 *t = s->state;
	size_t found = 0;

	for (size_t i = 0; i < count && found < GROUPS_MAX; i++)
		if (!is_repeated(hit, i) && type1_owns(s, hit[i].group))
			fds[found++] = slot_find(s, hit[i].group)->group.fd;
	for (size_t i = 0; i < GROUPS_MAX && found < count && found < GROUPS_MAX; i++)
		if (is_nameless(&t->slots[i]))
			fds[found++] = t->slots[i].group.fd;
	return found;
}

static int type1_reset_bus(
	struct vfio_ioas *s, struct vfio_dev *d, const struct vfio_dependent *hit, size_t count)
{
	int fds[GROUPS_MAX];

	if (type1_missing(s, hit, count) < count)
		return -EPERM;
	return vfio_hotreset(d, fds, collect_groups(s, hit, count, fds));
}

const struct vfio_ioas_ops vfio_type1 = {
	.name = "VFIO type 1",
	.open = type1_open,
	.close = type1_close,
	.bind = type1_bind,
	.unbind = type1_unbind,
	.attach = type1_attach,
	.adopt = type1_adopt,
	.receive = type1_receive,
	.detach = type1_detach,
	.info = type1_info,
	.can = type1_can,
	.map = type1_map,
	.unmap = type1_unmap,
	.kvm_file = type1_kvm_file,
	.owns = type1_owns,
	.missing = type1_missing,
	.reset_bus = type1_reset_bus,
};
