/* SPDX-License-Identifier: MIT */
#include "vmm/vhost_user/kind.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/vhost_user/link.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>

#define CLASS_STORAGE 0x018000 /* mass storage, of no other kind */
#define CLASS_ETHERNET 0x020000

#define RING_FEATURES                                                     \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
		BIT64(VIRTIO_RING_F_EVENT_IDX))
/* A change of the cache's mode would be one of the configuration, which drivers only read. */
#define BLK_FEATURES                                                                           \
	(BIT64(VIRTIO_BLK_F_SIZE_MAX) | BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_RO) | \
		BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_FLUSH) |                     \
		BIT64(VIRTIO_BLK_F_TOPOLOGY) | BIT64(VIRTIO_BLK_F_MQ) |                        \
		BIT64(VIRTIO_BLK_F_DISCARD) | BIT64(VIRTIO_BLK_F_WRITE_ZEROES))
/* Without control queue: that would be this process's. */
#define NET_FEATURES                                                                           \
	(BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_MTU) | \
		BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6) |              \
		BIT64(VIRTIO_NET_F_HOST_TSO4) | BIT64(VIRTIO_NET_F_HOST_TSO6) |                \
		BIT64(VIRTIO_NET_F_MRG_RXBUF))

/* Ref: virtio 1.2, 5.2.4: as far as back ends of ten years have it. */
#define BLK_CONFIG 60
/* Ref: virtio 1.2, 5.11.4: tag, number of queues for requests. */
#define FS_CONFIG 40

/* A driver must not find more queues than there are. */
static void blk_config_fill(const struct vhost_user_spec *s, uint8_t *config)
{
	le16_put(config + offsetof(struct virtio_blk_config, num_queues), (uint16_t)s->queues);
}

static void fs_config_fill(const struct vhost_user_spec *s, uint8_t *config)
{
	memcpy(config, s->tag, sizeof(s->tag));
	le32_put(config + sizeof(s->tag), s->queues);
}

static void net_config_fill(const struct vhost_user_spec *s, uint8_t *config)
{
	memcpy(config, s->mac, sizeof(s->mac));
	le16_put(config + offsetof(struct virtio_net_config, status), VIRTIO_NET_S_LINK_UP);
	le16_put(config + offsetof(struct virtio_net_config, max_virtqueue_pairs), 1);
	le16_put(config + offsetof(struct virtio_net_config, mtu), s->mtu);
}

static void net_config_lose(uint8_t *config)
{
	le16_put(config + offsetof(struct virtio_net_config, status), 0);
}

static const struct vhost_user_kind kinds[] = {
	{.type = VIRTIO_TYPE_BLK,
		.name = "virtio-blk",
		.class = CLASS_STORAGE,
		.features = RING_FEATURES | BLK_FEATURES,
		.config_size = BLK_CONFIG,
		.asks_config = true,
		.config_fill = blk_config_fill},
	{.type = VIRTIO_TYPE_FS,
		.name = "virtio-fs",
		.class = CLASS_STORAGE,
		.features = RING_FEATURES,
		.config_size = FS_CONFIG,
		.more_queues = 1, /* for requests that overtake */
		.config_fill = fs_config_fill},
	{.type = VIRTIO_TYPE_NET,
		.name = "virtio-net",
		.class = CLASS_ETHERNET,
		.features = RING_FEATURES | NET_FEATURES,
		.own_features = BIT64(VIRTIO_NET_F_MAC) | BIT64(VIRTIO_NET_F_STATUS),
		.config_size = offsetof(struct virtio_net_config, speed),
		.more_queues = 1, /* to receive, and to transmit */
		.config_fill = net_config_fill,
		.config_lose = net_config_lose},
};

const struct vhost_user_kind *vhost_user_kind_find(enum virtio_type type)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

uint64_t vhost_user_kind_offered(
	const struct vhost_user_kind *k, const struct vhost_user_spec *s, uint64_t features)
{
	uint64_t offered = (k->features & features) | k->own_features;

	if (k->type == VIRTIO_TYPE_BLK && s->queues < 2)
		offered &= ~BIT64(VIRTIO_BLK_F_MQ);
	if (k->type == VIRTIO_TYPE_NET)
		offered = s->mtu ? offered | BIT64(VIRTIO_NET_F_MTU)
				 : offered & ~BIT64(VIRTIO_NET_F_MTU);
	return offered;
}

/* One of a network card counts pairs, as DPDK does and QEMU expects. Return: 0, -EOPNOTSUPP. */
static int queues_check(const struct vhost_user_kind *k, const struct vhost_user_spec *s,
	const struct vhost_user_link *l, struct err *e)
{
	const unsigned needed = k->type == VIRTIO_TYPE_NET ? s->queues : s->queues + k->more_queues;

	if (needed <= l->queues)
		return 0;
	return err_say(e, -EOPNOTSUPP, "'%s': its back end serves %u queues, and %u are needed",
		s->name, l->queues, needed);
}

int vhost_user_kind_agree(const struct vhost_user_kind *k, const struct vhost_user_spec *s,
	struct vhost_user_link *l, uint8_t *config, struct err *e)
{
	int r = queues_check(k, s, l, e);
	if (r < 0)
		return r;
	r = k->asks_config ? vhost_user_link_config(l, config, k->config_size) : 0;
	if (r < 0)
		return err_set(e, r, "read the configuration of '%s' from its back end", s->name);
	k->config_fill(s, config);
	return 0;
}
