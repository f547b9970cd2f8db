/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vhost.h"

#include "base/err.h"
#include "base/fd.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/vhost.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

int vhost_call(const struct vhost *v, unsigned long request, const void *arg)
{
	return ioctl(v->fd, request, arg) < 0 ? -errno : 0;
}

WALL_CALL(main, ioctl, VHOST_SET_OWNER, VHOST_GET_FEATURES);

int vhost_init(struct vhost *v, int fd, uint64_t known, const char *name, struct err *e)
{
	uint64_t features = 0;

	*v = VHOST_NONE;
	v->fd = fd;
	int r = vhost_call(v, VHOST_SET_OWNER, NULL);
	if (r >= 0)
		r = vhost_call(v, VHOST_GET_FEATURES, &features);
	if (r < 0 || !(features & BIT64(VIRTIO_F_VERSION_1))) {
		r = r < 0 ? r : -EOPNOTSUPP;
		vhost_fini(v);
		return err_set(e, r, "use %s", name);
	}
	v->features = features & known;
	return 0;
}

WALL_CALL(main, close);

void vhost_fini(struct vhost *v)
{
	fd_close(&v->fd);
	*v = VHOST_NONE;
}

WALL_CALL(main, ioctl, VHOST_SET_MEM_TABLE);

#define TABLE_SIZE \
	(sizeof(struct vhost_memory) + MEMORY_BLOCKS_MAX * sizeof(struct vhost_memory_region))

static int table_set(const struct vhost *v, const struct memory *m)
{
	union {
		struct vhost_memory table;
		uint8_t bytes[TABLE_SIZE];
	} u = {.bytes = {0}};
	const size_t count = __atomic_load_n(&m->block_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++) {
		const struct memory_block *b = &m->blocks[i];
		if (b->readonly)
			continue;
		u.table.regions[u.table.nregions++] =
			(struct vhost_memory_region){.guest_phys_addr = b->gpa.v,
				.memory_size = b->size,
				.userspace_addr = (uint64_t)(uintptr_t)b->host};
	}
	return vhost_call(v, VHOST_SET_MEM_TABLE, &u);
}

/* Where a part of a ring is, as a whole. Return: 0, -EFAULT. */
static int part_find(const struct virtq *q, gpa_t at, uint64_t size, __u64 *ret)
{
	struct iovec part;

	if (memory_iov(q->memory, at, size, true, &part, 1) != 1)
		return -EFAULT;
	*ret = (__u64)(uintptr_t)part.iov_base;
	return 0;
}

static int address_set(const struct vhost *v, const struct virtq *q, unsigned n)
{
	struct vhost_vring_addr a = {.index = n};

	if (part_find(q, q->desc, q->size * sizeof(struct vring_desc), &a.desc_user_addr) < 0 ||
		part_find(q, q->avail, offsetof(struct vring_avail, ring) + 2U * q->size + 2,
			&a.avail_user_addr) < 0 ||
		part_find(q, q->used,
			offsetof(struct vring_used, ring) +
				q->size * sizeof(struct vring_used_elem) + 2,
			&a.used_user_addr) < 0)
		return -EFAULT;
	return vhost_call(v, VHOST_SET_VRING_ADDR, &a);
}

int vhost_set_file(const struct vhost *v, unsigned long request, unsigned n, int fd)
{
	const struct vhost_vring_file f = {.index = n, .fd = fd};

	return vhost_call(v, request, &f);
}

WALL_CALL(main, ioctl, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_SET_VRING_ADDR);
WALL_CALL(main, ioctl, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR);

static int ring_set(const struct vhost *v, const struct vhost_rings *rings, unsigned n)
{
	const struct virtq *q = &rings->queues[n];
	const struct vhost_vring_state size = {.index = n, .num = q->size};
	const struct vhost_vring_state base = {.index = n, .num = q->next_avail};

	int r = vhost_call(v, VHOST_SET_VRING_NUM, &size);
	if (r < 0)
		return r;
	r = vhost_call(v, VHOST_SET_VRING_BASE, &base);
	if (r < 0)
		return r;
	r = address_set(v, q, n);
	if (r < 0)
		return r;
	r = vhost_set_file(v, VHOST_SET_VRING_KICK, n, rings->kicks[n]);
	if (r < 0)
		return r;
	r = vhost_set_file(v, VHOST_SET_VRING_CALL, n, rings->calls[n]);
	return r < 0 ? r : vhost_set_file(v, VHOST_SET_VRING_ERR, n, rings->error);
}

WALL_CALL(main, ioctl, VHOST_SET_FEATURES);

int vhost_set_rings(const struct vhost *v, uint64_t accepted, const struct vhost_rings *rings)
{
	const uint64_t features = accepted & v->features;

	int r = vhost_call(v, VHOST_SET_FEATURES, &features);
	if (r < 0)
		return r;
	r = table_set(v, rings->queues[0].memory);
	for (unsigned n = 0; r == 0 && n < rings->count; n++)
		r = ring_set(v, rings, n);
	return r;
}

void vhost_set_call(const struct vhost *v, unsigned n, int eventfd)
{
	(void)vhost_set_file(v, VHOST_SET_VRING_CALL, n, eventfd);
}
