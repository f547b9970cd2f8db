/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_VHOST_H
#define VMM_VIRTIO_NET_VHOST_H

#include "vmm/virtio/vhost.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * vhost-net: a thread of the host's kernel moves frames between a pair of queues and a tap.
 *
 * Context: one thread at a time.
 */
struct net_vhost {
	struct vhost vhost;
	bool running;
};

#define NET_VHOST_NONE ((struct net_vhost){.vhost = VHOST_NONE})
#define NET_VHOST_FEATURES (VHOST_RING_FEATURES | BIT64(VIRTIO_NET_F_MRG_RXBUF))
#define NET_VHOST_RINGS 2 /* receive, transmit */

struct net_vhost_rings {
	struct vhost_rings rings; /* NET_VHOST_RINGS of them */
	int tap; /* -1: no link, and chains wait */
};

/* Takes @fd, of /dev/vhost-net, over in any case. Return: 0, -errno; then @v is NET_VHOST_NONE. */
int net_vhost_init(struct net_vhost *v, int fd, struct err *e);
void net_vhost_fini(struct net_vhost *v);

/*
 * @accepted: features of the driver. Return: 0; -EFAULT a ring is not in RAM; -errno; then nothing
 * runs.
 */
int net_vhost_start(struct net_vhost *v, uint64_t accepted, const struct net_vhost_rings *rings);

/* When it returns, the kernel no longer touches guest memory. */
void net_vhost_stop(struct net_vhost *v);

/* From now on @eventfd is the interrupt of ring @n. */
void net_vhost_set_call(struct net_vhost *v, unsigned n, int eventfd);

/* Connects the rings, which run, to @tap; -1: to nothing, and chains wait. Return: 0, -errno. */
int net_vhost_connect(struct net_vhost *v, int tap);

#endif
